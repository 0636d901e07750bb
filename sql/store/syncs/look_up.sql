SELECT id, stream_id, provider, collections, options, credential_id FROM sequin.syncs WHERE name = $1
