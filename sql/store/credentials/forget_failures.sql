WITH affected AS MATERIALIZED (
    SELECT id FROM sequin.syncs WHERE credential_id = $1
), feeds AS (
    UPDATE sequin._feeds SET retry_at = NULL WHERE sync_id IN (SELECT id FROM affected) AND retry_at IS NOT NULL
), mutations AS (
    UPDATE sequin.mutations SET retry_at = NULL
    WHERE sync_id IN (SELECT id FROM affected) AND finished_at IS NULL AND state = 'pending' AND retry_at IS NOT NULL
)
UPDATE sequin._sync_collections
SET retry_at = NULL
WHERE sync_id IN (SELECT id FROM affected) AND retry_at IS NOT NULL
