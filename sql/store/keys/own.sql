SELECT pg_advisory_xact_lock(hashtextextended('sequin.key', 0))
