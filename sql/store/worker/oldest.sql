SELECT r.upstream_created_at,
       least(r.upstream_created_at + s.max_age, '9999-12-31 00:00:00Z'),
       r.upstream_created_at < now() - s.max_age
FROM sequin.syncs AS s
CROSS JOIN (
    SELECT upstream_created_at
    FROM sequin.records
    WHERE stream_id = $1 AND sync_id = $2 AND upstream_created_at >= coalesce($3, '-infinity')
    ORDER BY upstream_created_at
    LIMIT 1
) AS r
WHERE s.id = $2 AND s.max_age IS NOT NULL
