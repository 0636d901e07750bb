-- Where a mutation has come to its end, the next of its record need no longer stand in line. How many that could not be
-- done for, as somebody is just changing the next one.
WITH ended AS (
    SELECT m.id, (
        SELECT n.id
        FROM sequin.mutations AS n
        WHERE n.sync_id = $1 AND n.collection_id = m.collection_id AND n.turn = m.turn
          AND n.finished_at IS NULL AND n.state = 'pending' AND n.in_line
        ORDER BY (n.state = 'pending'), n.no
        LIMIT 1
    ) AS next
    FROM sequin.mutations AS m
    WHERE m.sync_id = $1 AND m.in_line AND m.state IN ('done', 'failed', 'cancelled')
    LIMIT 1000
), free AS (
    SELECT n.id FROM sequin.mutations AS n WHERE n.id IN (SELECT e.next FROM ended AS e) FOR UPDATE SKIP LOCKED
), let_go AS (
    UPDATE sequin.mutations AS m SET in_line = false FROM free AS f WHERE m.id = f.id
), settled AS (
    UPDATE sequin.mutations AS m SET in_line = false
    FROM ended AS e
    WHERE m.id = e.id AND (e.next IS NULL OR e.next IN (SELECT f.id FROM free AS f))
    RETURNING m.id
)
SELECT count(*) FROM ended AS e WHERE e.id NOT IN (SELECT s.id FROM settled AS s)
