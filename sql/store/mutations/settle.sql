-- What has come of one that was handed over. Its change is in the stream where the record has been seen to differ since.
WITH settled AS (
    UPDATE sequin.mutations AS m
    SET state = $3,
        upstream_id = coalesce(m.upstream_id, $4),
        turn = coalesce(m.turn, $4),
        retry_at = $5,
        sent_at = CASE WHEN $6 THEN NULL ELSE m.sent_at END,
        made = m.made OR $12,
        error = $7,
        error_class = $8,
        error_code = $9,
        status = $10,
        response = $11::jsonb,
        updated_idx = CASE WHEN $3 = 'done' THEN (
            SELECT r.updated_idx
            FROM sequin.records AS r
            WHERE r.stream_id = $2 AND r.collection_id = m.collection_id
              -- As in sequin._apply_page: only the upstream key will do.
              AND r.upstream_id >= coalesce($4, m.upstream_id) AND r.upstream_id <= coalesce($4, m.upstream_id)
              AND r.sync_id = m.sync_id AND r.observed_at >= m.sent_at
            ORDER BY r.upstream_id
            LIMIT 1
        ) END,
        finished_at = CASE WHEN $3 IN ('done', 'failed') THEN clock_timestamp() END,
        in_line = $3 IN ('done', 'failed') AND EXISTS (
            SELECT FROM sequin.mutations AS n
            WHERE n.sync_id = m.sync_id AND n.collection_id = m.collection_id AND n.turn = m.turn
              AND n.finished_at IS NULL AND n.state = 'pending' AND n.in_line
        )
    WHERE m.id = $1 AND m.state = 'sending'
    RETURNING m.state
)
SELECT sequin._announce_change($2) FROM settled AS s WHERE s.state <> 'pending'
