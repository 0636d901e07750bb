-- What follows on `next`, the mutations that take.sql and take_alike.sql have chosen and locked: each is handed over, unless
-- another of its record comes first. Then it is put in line.
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
