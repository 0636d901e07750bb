SELECT name FROM sequin._oauth_apps ORDER BY name LIMIT 1000
