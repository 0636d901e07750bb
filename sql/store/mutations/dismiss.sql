UPDATE sequin.mutations
SET state = 'cancelled', finished_at = clock_timestamp(), in_line = turn IS NOT NULL
WHERE id = $1 AND state IN ('uncertain', 'failed')
