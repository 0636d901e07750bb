-- Whoever comes second waits here for the first one, and finds nothing.
DELETE FROM sequin._oauth_flows AS f
USING sequin._oauth_apps AS a
WHERE f.state_hash = $1 AND f.expires_at > clock_timestamp() AND a.id = f.app_id
RETURNING f.id, a.name, a.provider, f.redirect_uri, f.settings, f.sealed, f.key_id
