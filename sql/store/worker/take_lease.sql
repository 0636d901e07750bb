SELECT pg_try_advisory_lock(sequin._lease_key($1))
