SELECT sequin._log_sync($1, $2, $3, $4)
