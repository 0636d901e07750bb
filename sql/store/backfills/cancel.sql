WITH cancelled AS (
    UPDATE sequin.backfills
    SET state = 'cancelled', finished_at = now()
    WHERE id = $1 AND state IN ('pending', 'running')
    RETURNING id, sync_id, collection_id, kind
), pages AS (
    DELETE FROM sequin._sweep_pages WHERE backfill_id IN (SELECT id FROM cancelled)
), collection AS (
    -- Who cancels the initial backfill does without the past: the collection goes on with its changes.
    UPDATE sequin._sync_collections AS c
    SET backfilled_at = coalesce(c.backfilled_at, CASE WHEN b.kind = 'initial' THEN now() END),
        swept_at = now()
    FROM cancelled AS b
    WHERE c.sync_id = b.sync_id AND c.collection_id = b.collection_id AND b.kind <> 'manual'
)
SELECT id FROM cancelled
