SELECT name FROM sequin._credentials ORDER BY name LIMIT 1000
