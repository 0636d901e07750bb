SELECT c.total, c.missing, c.missing_ids, c.began, c.has_seen, c.confirmed
FROM sequin._compare_sweep($1, $2) AS c
