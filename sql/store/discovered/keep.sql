WITH known AS MATERIALIZED (
    SELECT properties FROM sequin._discovered WHERE credential_id = $1 AND collection_id = $2
), kept AS (
    INSERT INTO sequin._discovered (credential_id, collection_id, properties, types, discovered_at)
    -- The credential may be gone by now.
    SELECT c.id, $2, $3, $4, $5 FROM sequin._credentials AS c WHERE c.id = $1
    ON CONFLICT (credential_id, collection_id)
        DO UPDATE SET properties = excluded.properties, types = excluded.types, discovered_at = excluded.discovered_at
    RETURNING properties
)
SELECT known.properties IS DISTINCT FROM kept.properties FROM known, kept
