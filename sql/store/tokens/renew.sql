-- The refresh token stays: it may be newer than the credential's own.
UPDATE sequin._tokens
SET renew_at = clock_timestamp(), changed_at = clock_timestamp(), attempt = NULL, retry_at = NULL
WHERE credential_id = $1
