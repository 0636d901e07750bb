SELECT id, name, provider, settings, sealed, key_id, metadata
FROM sequin._credentials
WHERE name = $1
FOR UPDATE
