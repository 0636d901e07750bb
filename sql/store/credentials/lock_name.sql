SELECT pg_advisory_xact_lock(hashtextextended('sequin.credential:' || $1, 0))
