SELECT credential_id, collection_id, properties, discovered_at
FROM sequin._discovered
WHERE credential_id = ANY ($1)
