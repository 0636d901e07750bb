-- $2: of this collection; NULL: of all.
UPDATE sequin._discovered
SET discovered_at = NULL
WHERE credential_id = $1 AND collection_id = coalesce($2, collection_id)
