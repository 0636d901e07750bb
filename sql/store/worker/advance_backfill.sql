UPDATE sequin.backfills
SET state = 'running',
    position = $2::jsonb,
    pages = pages + 1,
    records = records + $3,
    changes = changes + $4,
    rejected = rejected + $5,
    started_at = coalesce(started_at, $6),
    last_page_at = clock_timestamp()
WHERE id = $1 AND state IN ('pending', 'running')
RETURNING id
