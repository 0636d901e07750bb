SELECT state FROM sequin.mutations WHERE id = $1
