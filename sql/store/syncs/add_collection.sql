WITH feed AS (
    INSERT INTO sequin._feeds (sync_id, feed)
    SELECT $2, $4 WHERE $4 IS NOT NULL
    ON CONFLICT DO NOTHING
), collection AS (
    INSERT INTO sequin._sync_collections (stream_id, sync_id, collection_id, feed)
    VALUES ($1, $2, $3, $4)
), backfill AS (
    INSERT INTO sequin.backfills (id, stream_id, sync_id, collection_id, kind, since)
    -- What is kept from when the collection was in the sync before may be gone: only a sweep finds out.
    SELECT $5, $1, $2, $3, CASE WHEN known.is_known THEN 'sweep' ELSE 'initial' END,
           CASE WHEN NOT known.is_known THEN now() - s.max_age END
    FROM sequin.syncs AS s,
         (SELECT EXISTS (SELECT FROM sequin.records AS r
                         WHERE r.stream_id = $1 AND r.collection_id = $3 AND r.sync_id = $2 AND NOT r.deleted
                        ) AS is_known) AS known
    WHERE s.id = $2
    RETURNING id
)
INSERT INTO sequin._backfill_ranges (backfill_id, no)
SELECT id, 1 FROM backfill
