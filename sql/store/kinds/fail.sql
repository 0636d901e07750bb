INSERT INTO sequin._kind_lists AS l (credential_id, failure_class, error, failures, retry_at)
SELECT c.id, $2, $3, 1, $4 FROM sequin._credentials AS c WHERE c.id = $1
ON CONFLICT (credential_id) DO UPDATE
SET failure_class = excluded.failure_class, error = excluded.error, failures = l.failures + 1, retry_at = excluded.retry_at
