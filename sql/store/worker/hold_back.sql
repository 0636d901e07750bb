WITH stopped AS (
    UPDATE sequin.backfills
    SET state = 'cancelled', finished_at = clock_timestamp()
    WHERE id = $1 AND state IN ('pending', 'running')
    RETURNING sync_id, collection_id
), pages AS (
    DELETE FROM sequin._sweep_pages WHERE backfill_id = $1
)
UPDATE sequin._sync_collections AS c
SET swept_at = clock_timestamp(),
    -- What is there has been read, also where the sweep was the first walk.
    backfilled_at = coalesce(c.backfilled_at, clock_timestamp()),
    guarded_at = coalesce(c.guarded_at, clock_timestamp()), guarded_missing = $2, guarded_total = $3
FROM stopped
WHERE c.sync_id = stopped.sync_id AND c.collection_id = stopped.collection_id
