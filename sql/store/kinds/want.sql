INSERT INTO sequin._kind_lists (credential_id)
VALUES ($1)
ON CONFLICT (credential_id) DO UPDATE SET wanted_at = excluded.wanted_at, retry_at = NULL
