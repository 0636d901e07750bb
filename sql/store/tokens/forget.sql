DELETE FROM sequin._tokens WHERE credential_id = $1
