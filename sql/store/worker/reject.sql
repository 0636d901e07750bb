INSERT INTO sequin.rejected_records (stream_id, sync_id, collection_id, upstream_id, reason, raw)
SELECT $1, $2, $3, $4, $5, $6
WHERE EXISTS (SELECT FROM sequin.syncs WHERE id = $2)
ON CONFLICT DO NOTHING
