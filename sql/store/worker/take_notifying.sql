SELECT pg_try_advisory_lock(hashtextextended('sequin.notifying', 0))
