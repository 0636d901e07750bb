WITH held AS (
    SELECT sync_id, collection_id, guarded_missing
    FROM sequin._sync_collections
    WHERE sync_id = $1 AND collection_id = $2 AND guarded_at IS NOT NULL
    FOR UPDATE
), released AS (
    UPDATE sequin._sync_collections AS c
    SET guarded_at = NULL, guarded_missing = NULL, guarded_total = NULL
    FROM held
    WHERE c.sync_id = held.sync_id AND c.collection_id = held.collection_id
)
SELECT guarded_missing FROM held
