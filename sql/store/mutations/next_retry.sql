-- When there is something to take again; at once, where somebody was just changing it.
SELECT min(coalesce(retry_at, clock_timestamp()))
FROM sequin.mutations
WHERE sync_id = $1 AND finished_at IS NULL AND state = 'pending' AND NOT in_line
