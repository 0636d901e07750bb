-- $6: whether the request was answered.
UPDATE sequin._tokens
SET failure_class = $3, error = $4, failed_at = clock_timestamp(), failures = failures + 1, retry_at = $5,
    attempt = CASE WHEN $6 THEN NULL ELSE attempt END
WHERE credential_id = $1 AND attempt = $2
