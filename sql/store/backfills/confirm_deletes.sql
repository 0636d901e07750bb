WITH held AS (
    SELECT stream_id, sync_id, collection_id, guarded_missing
    FROM sequin._sync_collections
    WHERE sync_id = $2 AND collection_id = $3 AND guarded_at IS NOT NULL
    FOR UPDATE
), released AS (
    UPDATE sequin._sync_collections AS c
    SET guarded_at = NULL, guarded_missing = NULL, guarded_total = NULL
    FROM held
    WHERE c.sync_id = held.sync_id AND c.collection_id = held.collection_id
)
INSERT INTO sequin.backfills (id, stream_id, sync_id, collection_id, kind, may_delete)
SELECT $1, stream_id, sync_id, collection_id, 'sweep', guarded_missing
FROM held
ON CONFLICT (sync_id, collection_id, kind) WHERE state IN ('pending', 'running')
    DO UPDATE SET may_delete = excluded.may_delete
RETURNING id, may_delete
