DELETE FROM sequin.syncs WHERE id = $1
