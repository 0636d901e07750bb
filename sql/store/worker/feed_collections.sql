SELECT collection_id
FROM sequin._sync_collections
WHERE sync_id = $1 AND feed = $2 AND backfilled_at IS NOT NULL
