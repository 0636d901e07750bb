-- What came of other secrets than those that the credential has now is worth nothing.
INSERT INTO sequin._tokens (credential_id, sealed, key_id)
VALUES ($1, $2, $3)
ON CONFLICT (credential_id) DO UPDATE
SET sealed = excluded.sealed, key_id = excluded.key_id, scopes = NULL, refreshed_at = NULL, expires_at = NULL,
    renew_at = clock_timestamp(), changed_at = clock_timestamp(), attempt = NULL, recovered_at = NULL,
    failure_class = NULL, error = NULL, failed_at = NULL, failures = 0, retry_at = NULL
