WITH backfill AS (
    INSERT INTO sequin.backfills (id, stream_id, sync_id, collection_id, kind, since)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (sync_id, collection_id, kind) WHERE state IN ('pending', 'running') DO NOTHING
    RETURNING id
)
INSERT INTO sequin._backfill_ranges (backfill_id, no)
SELECT id, 1 FROM backfill
RETURNING backfill_id
