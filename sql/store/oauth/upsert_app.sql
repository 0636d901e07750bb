INSERT INTO sequin._oauth_apps (id, name, provider, client_id, settings, sealed, key_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE
SET client_id = excluded.client_id, settings = excluded.settings, sealed = excluded.sealed, key_id = excluded.key_id,
    updated_at = clock_timestamp()
