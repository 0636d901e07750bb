DELETE FROM sequin.records
-- Nobody else writes the stream, so a row stays in its place.
WHERE ctid = ANY (ARRAY(
    SELECT r.ctid
    FROM sequin.records AS r
    WHERE r.stream_id = $1 AND r.sync_id = $2
      AND r.upstream_created_at >= coalesce($3, '-infinity')
      AND r.upstream_created_at < (SELECT now() - max_age FROM sequin.syncs WHERE id = $2)
    ORDER BY r.upstream_created_at
    LIMIT $4
))
