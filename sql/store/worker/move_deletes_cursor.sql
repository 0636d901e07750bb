UPDATE sequin._sync_collections
SET deletes_cursor = greatest(deletes_cursor, $3),
    deletes_polled_at = greatest(deletes_polled_at, $4)
WHERE sync_id = $1 AND collection_id = $2
