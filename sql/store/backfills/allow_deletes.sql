UPDATE sequin.backfills
SET may_delete = $3
WHERE sync_id = $1 AND collection_id = $2 AND kind = 'sweep' AND state IN ('pending', 'running')
RETURNING id
