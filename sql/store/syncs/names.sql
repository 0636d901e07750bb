SELECT name FROM sequin.syncs ORDER BY name LIMIT 1000
