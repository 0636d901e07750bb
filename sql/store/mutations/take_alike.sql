-- More of one kind, to be sent in one request with what has been taken: such as have never been sent, up to the number $5,
-- and $6 bytes of data. As in take.sql, what others of its record come before is put in line.
WITH near AS MATERIALIZED (
    SELECT m.id, m.no, octet_length(coalesce(m.data::text, '')) AS size
    FROM sequin.mutations AS m
    WHERE m.sync_id = $1 AND m.finished_at IS NULL AND m.state = 'pending' AND NOT m.in_line
      AND m.no <= $5 AND m.collection_id = $3 AND m.action = $4 AND m.sent_at IS NULL
      AND (m.retry_at IS NULL OR m.retry_at <= clock_timestamp())
    ORDER BY m.no
    LIMIT $2
), fitting AS (
    SELECT s.id
    FROM (SELECT n.id, sum(n.size) OVER (ORDER BY n.no) AS size FROM near AS n) AS s
    WHERE s.size <= $6
), next AS (
    SELECT m.id, m.collection_id, m.turn, m.sent_at
    FROM sequin.mutations AS m
    WHERE m.id IN (SELECT f.id FROM fitting AS f) AND m.finished_at IS NULL AND m.state = 'pending' AND NOT m.in_line
    ORDER BY m.no
    FOR UPDATE SKIP LOCKED
), placed AS MATERIALIZED (
    SELECT n.id, n.sent_at, coalesce((
        SELECT o.id
        FROM sequin.mutations AS o
        WHERE o.sync_id = $1 AND o.collection_id = n.collection_id AND o.turn = n.turn
          AND o.finished_at IS NULL
        ORDER BY (o.state = 'pending'), o.no
        LIMIT 1
    ), n.id) <> n.id AS waits
    FROM next AS n
)
UPDATE sequin.mutations AS m
SET state = CASE WHEN p.waits THEN 'pending' ELSE 'sending' END,
    in_line = p.waits,
    attempts = m.attempts + CASE WHEN p.waits THEN 0 ELSE 1 END,
    sent_at = CASE WHEN p.waits THEN m.sent_at ELSE coalesce(m.sent_at, clock_timestamp()) END,
    retry_at = NULL
FROM placed AS p
WHERE m.id = p.id
RETURNING p.waits, m.no, m.id, m.collection_id, m.action, m.upstream_id,
          CASE WHEN NOT p.waits THEN m.data::text END, m.key::text, p.sent_at, m.attempts,
          m.parent_id, m.made
