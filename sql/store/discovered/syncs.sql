SELECT c.sync_id
FROM sequin._sync_collections AS c
JOIN sequin.syncs AS s ON s.id = c.sync_id
WHERE s.credential_id = $1 AND c.collection_id = $2
