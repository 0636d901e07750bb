SELECT DISTINCT upstream_id
FROM sequin.rejected_records
WHERE sync_id = $1 AND collection_id = $2 AND retry_requested_at IS NOT NULL
ORDER BY upstream_id
LIMIT $3
