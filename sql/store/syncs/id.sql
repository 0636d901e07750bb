SELECT id FROM sequin.syncs WHERE name = $1
