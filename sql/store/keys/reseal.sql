-- What has changed since it was read, has been sealed anew already. Nothing but the seal changes: the jobs go on.
WITH credential AS (
    UPDATE sequin._credentials SET sealed = $4, key_id = $5 WHERE $1 = 'credential' AND id = $2 AND sealed = $3
), app AS (
    UPDATE sequin._oauth_apps SET sealed = $4, key_id = $5 WHERE $1 = 'app' AND id = $2 AND sealed = $3
), flow AS (
    UPDATE sequin._oauth_flows SET sealed = $4, key_id = $5 WHERE $1 = 'flow' AND id = $2 AND sealed = $3
)
UPDATE sequin._tokens SET sealed = $4, key_id = $5 WHERE $1 = 'token' AND credential_id = $2 AND sealed = $3
