WITH cancelled AS (
    UPDATE sequin.backfills
    SET state = 'cancelled', finished_at = now()
    WHERE id = $1 AND state IN ('pending', 'running')
    RETURNING id, sync_id, collection_id, kind
), pages AS (
    DELETE FROM sequin._sweep_pages WHERE backfill_id IN (SELECT id FROM cancelled)
), collection AS (
    UPDATE sequin._sync_collections AS c
    -- Who cancels the initial backfill, or the sweep in its place, does without the past: the collection goes on with its
    -- changes.
    SET backfilled_at = coalesce(c.backfilled_at, CASE WHEN b.kind <> 'manual' THEN now() END),
        swept_at = CASE WHEN b.kind <> 'manual' THEN now() ELSE c.swept_at END,
        -- The failure may have been the backfill's: nobody else would ever say that it is over. What is another's comes
        -- again.
        failure_class = CASE WHEN c.failure_class = 'credential' THEN c.failure_class END,
        failures = CASE WHEN c.failure_class = 'credential' THEN c.failures ELSE 0 END,
        failing_since = CASE WHEN c.failure_class = 'credential' THEN c.failing_since END,
        retry_at = CASE WHEN c.failure_class = 'credential' THEN c.retry_at END
    FROM cancelled AS b
    WHERE c.sync_id = b.sync_id AND c.collection_id = b.collection_id
)
SELECT id FROM cancelled
