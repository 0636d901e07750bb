WITH removed AS (
    DELETE FROM sequin._sync_collections WHERE sync_id = $1 AND collection_id <> ALL ($2)
), feeds AS (
    DELETE FROM sequin._feeds AS f
    WHERE f.sync_id = $1
      AND NOT EXISTS (
          SELECT FROM sequin._sync_collections AS c
          WHERE c.sync_id = $1 AND c.feed = f.feed AND c.collection_id = ANY ($2)
      )
)
DELETE FROM sequin.backfills WHERE sync_id = $1 AND collection_id <> ALL ($2)
