DELETE FROM sequin._oauth_apps WHERE id = $1
