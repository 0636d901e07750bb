WITH feed AS (
    INSERT INTO sequin._feeds (sync_id, feed)
    SELECT $2, $4 WHERE $4 IS NOT NULL
    ON CONFLICT DO NOTHING
), collection AS (
    INSERT INTO sequin._sync_collections (stream_id, sync_id, collection_id, feed)
    VALUES ($1, $2, $3, $4)
), backfill AS (
    INSERT INTO sequin.backfills (id, stream_id, sync_id, collection_id, kind, since)
    SELECT $5, $1, $2, $3, 'initial', now() - max_age
    FROM sequin.syncs
    WHERE id = $2
    RETURNING id
)
INSERT INTO sequin._backfill_ranges (backfill_id, no)
SELECT id, 1 FROM backfill
