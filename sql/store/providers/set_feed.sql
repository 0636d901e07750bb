WITH feed AS (
    INSERT INTO sequin._feeds (sync_id, feed)
    SELECT $1, $3 WHERE $3 IS NOT NULL
    ON CONFLICT DO NOTHING
), collection AS (
    UPDATE sequin._sync_collections SET feed = $3 WHERE sync_id = $1 AND collection_id = $2
)
-- Nobody listens to these any more.
DELETE FROM sequin._feeds AS f
WHERE f.sync_id = $1 AND f.feed IS DISTINCT FROM $3
  AND NOT EXISTS (SELECT FROM sequin._sync_collections AS c
                  WHERE c.sync_id = $1 AND c.feed = f.feed AND c.collection_id <> $2)
