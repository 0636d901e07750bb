UPDATE sequin._feeds
SET cursor = $3,
    polled_at = greatest(polled_at, $4),
    failure_class = NULL, failures = 0, failing_since = NULL, retry_at = NULL
WHERE sync_id = $1 AND feed = $2
