SELECT c.sync_id, s.name, c.collection_id, c.feed, s.options, s.credential_id
FROM sequin._sync_collections AS c
JOIN sequin.syncs AS s ON s.id = c.sync_id
WHERE s.provider = $1
ORDER BY s.name, c.collection_id
