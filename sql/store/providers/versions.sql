SELECT name, version FROM sequin._providers ORDER BY name
