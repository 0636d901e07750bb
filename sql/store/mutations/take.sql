-- The next ones of a sync, in their order. What somebody is just changing is left for later. hand_over.sql goes on.
WITH next AS (
    SELECT m.id, m.collection_id, m.turn, m.sent_at
    FROM sequin.mutations AS m
    WHERE m.sync_id = $1 AND m.finished_at IS NULL AND m.state = 'pending' AND NOT m.in_line
      AND (m.retry_at IS NULL OR m.retry_at <= clock_timestamp())
    ORDER BY m.no
    LIMIT $2
    FOR UPDATE SKIP LOCKED
