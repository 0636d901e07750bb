SELECT pg_advisory_unlock(sequin._lease_key($1))
