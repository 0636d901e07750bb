-- Sessions that wait for a check share this lock, which needs no commit to be seen.
SELECT c.id
FROM sequin._credentials AS c
JOIN pg_locks AS l
  ON l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
 AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
 AND (l.classid::bigint << 32 | l.objid::bigint) = sequin._check_key(c.id)
