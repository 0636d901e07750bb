SELECT sequin._lock_stream($1)
