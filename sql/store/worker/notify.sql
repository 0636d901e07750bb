SELECT n.base, n.after FROM sequin._notify_consumer($1, $2, $3) AS n
