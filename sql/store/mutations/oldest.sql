SELECT finished_at
FROM sequin.mutations
WHERE sync_id = $1 AND finished_at IS NOT NULL
ORDER BY finished_at
LIMIT 1
