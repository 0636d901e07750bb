-- A sweep that is under way starts over: what it has read lacks what is new.
WITH unfinished AS (
    UPDATE sequin.backfills
    SET state = 'pending', started_at = NULL, last_page_at = NULL, pages = 0, records = 0, changes = 0, rejected = 0
    WHERE sync_id = $1 AND collection_id = $2 AND kind = 'sweep' AND state IN ('pending', 'running')
    RETURNING id
), failed AS (
    -- It may have failed for what is different now.
    UPDATE sequin._sync_collections SET retry_at = NULL WHERE sync_id = $1 AND collection_id = $2 AND retry_at IS NOT NULL
), pages AS (
    DELETE FROM sequin._sweep_pages WHERE backfill_id IN (SELECT id FROM unfinished)
), ranges AS (
    DELETE FROM sequin._backfill_ranges WHERE backfill_id IN (SELECT id FROM unfinished)
    RETURNING backfill_id, no
)
-- A number is never given twice: a page that is on its way finds its range gone.
INSERT INTO sequin._backfill_ranges (backfill_id, no)
SELECT backfill_id, max(no) + 1 FROM ranges GROUP BY backfill_id
