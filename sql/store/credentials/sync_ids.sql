SELECT id FROM sequin.syncs WHERE credential_id = $1
