-- Unfinished backfills of a sync start over: the list is another one. $2: of this collection; NULL: of all. $3: whether
-- looks begin where they began at first, too, and don't go on from what they know.
WITH unfinished AS (
    UPDATE sequin.backfills
    SET state = 'pending', started_at = NULL, last_page_at = NULL, pages = 0, records = 0, changes = 0, rejected = 0
    WHERE sync_id = $1 AND collection_id = coalesce($2, collection_id) AND state IN ('pending', 'running')
    RETURNING id
), pages AS (
    DELETE FROM sequin._sweep_pages WHERE backfill_id IN (SELECT id FROM unfinished)
), looks AS (
    UPDATE sequin._sync_collections
    SET cursor = NULL, deletes_cursor = NULL
    WHERE sync_id = $1 AND collection_id = coalesce($2, collection_id) AND $3
), ranges AS (
    DELETE FROM sequin._backfill_ranges WHERE backfill_id IN (SELECT id FROM unfinished)
    RETURNING backfill_id, no
)
-- A number is never given twice: a page that is on its way finds its range gone.
INSERT INTO sequin._backfill_ranges (backfill_id, no)
SELECT backfill_id, max(no) + 1 FROM ranges GROUP BY backfill_id
