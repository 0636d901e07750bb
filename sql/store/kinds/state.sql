SELECT listed_at IS NOT NULL, error FROM sequin._kind_lists WHERE credential_id = $1
