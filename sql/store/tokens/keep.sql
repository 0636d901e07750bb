UPDATE sequin._tokens
SET sealed = $3, key_id = $4, scopes = $5, refreshed_at = $6, expires_at = $7, renew_at = $8,
    changed_at = clock_timestamp(), attempt = NULL,
    recovered_at = CASE WHEN failures > 0 THEN clock_timestamp() ELSE recovered_at END,
    failure_class = NULL, error = NULL, failures = 0, retry_at = NULL
WHERE credential_id = $1 AND attempt = $2
