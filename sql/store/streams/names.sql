SELECT name FROM sequin.streams ORDER BY name LIMIT 1000
