SELECT pg_advisory_xact_lock(hashtextextended('sequin.oauth_app:' || $1, 0))
