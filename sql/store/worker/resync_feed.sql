WITH feed AS (
    UPDATE sequin._feeds SET cursor = NULL WHERE sync_id = $1 AND feed = $2
), unfinished AS (
    -- What was walked before the gap may have changed in it.
    UPDATE sequin.backfills AS b
    SET state = 'pending', started_at = NULL, pages = 0, records = 0, changes = 0
    FROM sequin._sync_collections AS c
    WHERE c.sync_id = $1 AND c.feed = $2 AND b.sync_id = c.sync_id AND b.collection_id = c.collection_id
      AND b.state IN ('pending', 'running') AND b.kind <> 'manual'
    RETURNING b.id
), pages AS (
    DELETE FROM sequin._sweep_pages WHERE backfill_id IN (SELECT id FROM unfinished)
), ranges AS (
    DELETE FROM sequin._backfill_ranges WHERE backfill_id IN (SELECT id FROM unfinished) RETURNING backfill_id, no
)
INSERT INTO sequin._backfill_ranges (backfill_id, no)
SELECT backfill_id, max(no) + 1 FROM ranges GROUP BY backfill_id
