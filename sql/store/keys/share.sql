SELECT pg_advisory_xact_lock_shared(hashtextextended('sequin.key', 0))
