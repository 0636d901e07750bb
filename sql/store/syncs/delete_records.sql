DELETE FROM sequin.records WHERE stream_id = $1 AND sync_id = $2
