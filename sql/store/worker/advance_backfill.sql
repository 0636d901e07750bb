WITH step AS (
    UPDATE sequin.backfills
    SET state = 'running',
        pages = pages + 1,
        records = records + $3,
        changes = changes + $4,
        rejected = rejected + $5,
        started_at = coalesce(started_at, $6),
        last_page_at = clock_timestamp()
    WHERE id = $1 AND state IN ('pending', 'running')
      AND EXISTS (SELECT FROM sequin._backfill_ranges WHERE backfill_id = $1 AND no = $2)
    RETURNING id
)
UPDATE sequin._backfill_ranges AS r
SET from_at = $7,
    reached_at = coalesce($8, r.reached_at),
    position = $9::jsonb,
    pages = r.pages + 1,
    records = r.records + $3,
    done = $9 IS NULL
FROM step
WHERE r.backfill_id = step.id AND r.no = $2
RETURNING r.no
