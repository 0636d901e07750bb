SELECT pg_advisory_xact_lock_shared(hashtextextended('sequin.oauth_app:' || $1, 0))
