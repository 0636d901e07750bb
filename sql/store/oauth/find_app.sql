SELECT id, name, provider, client_id, settings, sealed, key_id
FROM sequin._oauth_apps
WHERE name = $1
FOR SHARE
