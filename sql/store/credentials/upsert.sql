INSERT INTO sequin._credentials (id, name, provider, settings, secret_names, sealed, key_id, metadata)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE
SET settings = excluded.settings,
    secret_names = excluded.secret_names,
    sealed = excluded.sealed,
    key_id = excluded.key_id,
    metadata = excluded.metadata,
    updated_at = clock_timestamp()
