WITH expired AS (
    DELETE FROM sequin._oauth_flows WHERE expires_at <= clock_timestamp()
)
INSERT INTO sequin._oauth_flows (id, app_id, state_hash, redirect_uri, settings, sealed, key_id, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + interval '5 min')
