UPDATE sequin._feeds
SET failure_class = $3, error = $4, failed_at = clock_timestamp(), failures = failures + 1,
    failing_since = coalesce(failing_since, clock_timestamp()), retry_at = $5
WHERE sync_id = $1 AND feed = $2
