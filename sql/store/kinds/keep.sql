-- What is no longer listed stays known: its collection keeps its name.
WITH listed AS (
    SELECT l.key, l.collection_id, l.name, l.title, l.template
    FROM jsonb_to_recordset($2) AS l (key text, collection_id text, name text, title text, template text)
), kept AS (
    INSERT INTO sequin._kinds AS k (credential_id, key, collection_id, name, title, template)
    -- The credential may be gone by now.
    SELECT c.id, l.key, l.collection_id, l.name, l.title, l.template
    FROM listed AS l
    JOIN sequin._credentials AS c ON c.id = $1
    ON CONFLICT (credential_id, collection_id) DO UPDATE
    SET key = excluded.key, name = excluded.name, title = excluded.title, template = excluded.template, gone_at = NULL
    WHERE (k.key, k.name, k.title, k.template) IS DISTINCT FROM (excluded.key, excluded.name, excluded.title, excluded.template)
       OR k.gone_at IS NOT NULL
), gone AS (
    UPDATE sequin._kinds
    SET gone_at = clock_timestamp()
    WHERE credential_id = $1 AND gone_at IS NULL AND collection_id NOT IN (SELECT l.collection_id FROM listed AS l)
)
INSERT INTO sequin._kind_lists (credential_id, listed_at, wanted_at)
SELECT c.id, $3, $3 FROM sequin._credentials AS c WHERE c.id = $1
ON CONFLICT (credential_id) DO UPDATE
SET listed_at = excluded.listed_at, failure_class = NULL, error = NULL, failures = 0, retry_at = NULL
