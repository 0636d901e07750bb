SELECT sealed IS NOT NULL FROM sequin._tokens WHERE credential_id = $1
