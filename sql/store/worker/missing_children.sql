SELECT upstream_id
FROM sequin.records
WHERE stream_id = $1 AND sync_id = $2 AND collection_id = $3 AND parent_id = $4 AND NOT deleted
  AND upstream_id <> ALL ($5)
