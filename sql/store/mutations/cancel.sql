UPDATE sequin.mutations
SET state = 'cancelled', finished_at = clock_timestamp(), retry_at = NULL, in_line = turn IS NOT NULL
WHERE id = $1 AND state = 'pending'
