UPDATE sequin.mutations
SET state = 'cancelled', finished_at = clock_timestamp(), in_line = upstream_id IS NOT NULL
WHERE id = $1 AND state IN ('uncertain', 'failed')
