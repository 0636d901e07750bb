-- More of one kind, to be sent in one request with what has been taken: such as have never been sent, up to the number $5,
-- and $6 bytes of data. hand_over.sql goes on.
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
