WITH pages AS (
    DELETE FROM sequin._sweep_pages WHERE backfill_id = $1
)
UPDATE sequin.backfills
SET state = 'cancelled', position = NULL, finished_at = clock_timestamp()
WHERE id = $1 AND state IN ('pending', 'running')
