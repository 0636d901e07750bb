SELECT EXISTS (SELECT FROM sequin._credentials) OR EXISTS (SELECT FROM sequin._oauth_apps)
