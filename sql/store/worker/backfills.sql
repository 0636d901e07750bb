SELECT b.id, b.sync_id, b.collection_id, b.kind, b.since, b.pages
FROM sequin.backfills AS b
JOIN sequin.syncs AS s ON s.id = b.sync_id
WHERE b.state IN ('pending', 'running') AND s.status = 'active'
ORDER BY b.requested_at, b.id
