SELECT EXISTS (
    SELECT FROM sequin.mutations
    WHERE sync_id = $1 AND in_line AND state IN ('done', 'failed', 'cancelled')
)
