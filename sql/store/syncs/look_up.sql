SELECT id, stream_id, provider, collections, options FROM sequin.syncs WHERE name = $1
