SELECT key_id FROM sequin._credentials
UNION
SELECT key_id FROM sequin._oauth_apps
UNION
SELECT key_id FROM sequin._oauth_flows WHERE expires_at > clock_timestamp()
UNION
SELECT key_id FROM sequin._tokens WHERE key_id IS NOT NULL
