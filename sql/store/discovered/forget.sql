UPDATE sequin._discovered SET discovered_at = NULL WHERE credential_id = $1
