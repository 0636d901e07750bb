SELECT min(retry_at)
FROM sequin.mutations
WHERE sync_id = $1 AND finished_at IS NULL AND state = 'pending' AND NOT in_line
