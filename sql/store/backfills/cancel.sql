UPDATE sequin.backfills
SET state = 'cancelled', finished_at = now(), position = NULL
WHERE id = $1 AND state IN ('pending', 'running')
RETURNING id
