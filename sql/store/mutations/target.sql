SELECT id, stream_id, provider, collections FROM sequin.syncs WHERE name = $1
