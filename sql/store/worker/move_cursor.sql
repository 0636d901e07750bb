UPDATE sequin._sync_collections
SET cursor = greatest(cursor, $3),
    polled_at = greatest(polled_at, $4),
    last_success_at = CASE WHEN $4 IS NULL THEN last_success_at ELSE clock_timestamp() END
WHERE sync_id = $1 AND collection_id = $2
