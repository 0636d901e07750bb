SELECT DISTINCT r.sync_id, r.collection_id
FROM sequin.rejected_records AS r
JOIN sequin.syncs AS s ON s.id = r.sync_id
WHERE r.retry_requested_at IS NOT NULL AND s.status = 'active'
