SELECT s.id, s.name, s.stream_id, s.provider, s.collections, s.status, s.max_age
FROM sequin.syncs AS s
WHERE s.name = $1
FOR UPDATE
