-- Not what the API has only just told.
UPDATE sequin._discovered
SET discovered_at = NULL
WHERE credential_id = $1 AND collection_id = $2 AND discovered_at < clock_timestamp() - interval '5 s'
