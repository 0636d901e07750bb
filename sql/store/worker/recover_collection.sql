UPDATE sequin._sync_collections
SET failure_class = NULL, failures = 0, failing_since = NULL, retry_at = NULL,
    last_success_at = clock_timestamp()
WHERE sync_id = $1 AND collection_id = $2
