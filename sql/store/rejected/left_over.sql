SELECT collection_id, count(*)
FROM sequin.rejected_records
WHERE sync_id = $1 AND collection_id = ANY ($2) AND (upstream_id IS NULL OR collection_id <> ALL ($3))
GROUP BY collection_id
ORDER BY collection_id
