WITH sweep AS (
    INSERT INTO sequin.backfills (id, stream_id, sync_id, collection_id, kind)
    SELECT $1, stream_id, sync_id, collection_id, 'sweep'
    FROM sequin._sync_collections
    WHERE sync_id = $2 AND collection_id = $3
    ON CONFLICT (sync_id, collection_id, kind) WHERE state IN ('pending', 'running') DO NOTHING
    RETURNING id
)
INSERT INTO sequin._backfill_ranges (backfill_id, no)
SELECT id, 1 FROM sweep
