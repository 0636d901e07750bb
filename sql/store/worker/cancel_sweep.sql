WITH cancelled AS (
    UPDATE sequin.backfills
    SET state = 'cancelled', finished_at = clock_timestamp()
    WHERE id = $1 AND state IN ('pending', 'running')
    RETURNING id, sync_id, collection_id
), pages AS (
    DELETE FROM sequin._sweep_pages WHERE backfill_id = $1
)
UPDATE sequin._sync_collections AS c
SET swept_at = clock_timestamp()
FROM cancelled
WHERE c.sync_id = cancelled.sync_id AND c.collection_id = cancelled.collection_id
