WITH finished AS (
    UPDATE sequin.backfills
    SET state = 'completed', finished_at = clock_timestamp()
    WHERE id = $1 AND state IN ('pending', 'running')
      -- It may have been sent back to its start while its end was on its way.
      AND NOT EXISTS (SELECT FROM sequin._backfill_ranges AS r WHERE r.backfill_id = $1 AND NOT r.done)
    RETURNING id, sync_id, collection_id, kind, since, coalesce(started_at, now()) AS started_at
), pages AS (
    DELETE FROM sequin._sweep_pages WHERE backfill_id = $1
), older AS (
    -- Of sweeps, which repeat for ever, only the latest is kept.
    DELETE FROM sequin.backfills AS b
    USING finished AS f
    WHERE b.sync_id = f.sync_id AND b.collection_id = f.collection_id AND b.id <> f.id
      AND f.kind = 'sweep' AND b.kind = 'sweep' AND b.state IN ('completed', 'cancelled')
), collection AS (
    UPDATE sequin._sync_collections AS c
    SET backfilled_at = coalesce(c.backfilled_at, CASE WHEN f.kind <> 'manual' THEN clock_timestamp() END),
        -- An initial backfill has seen all there was, so the first sweep has time.
        swept_at = CASE WHEN f.kind <> 'manual' THEN f.started_at ELSE c.swept_at END,
        last_success_at = clock_timestamp(),
        guarded_at = CASE WHEN f.kind <> 'sweep' THEN c.guarded_at END,
        guarded_missing = CASE WHEN f.kind <> 'sweep' THEN c.guarded_missing END,
        guarded_total = CASE WHEN f.kind <> 'sweep' THEN c.guarded_total END
    FROM finished AS f
    WHERE c.sync_id = f.sync_id AND c.collection_id = f.collection_id
    RETURNING c.sync_id, c.collection_id
)
UPDATE sequin.syncs AS s
SET initial_backfill_completed_at = clock_timestamp()
FROM collection
WHERE s.id = collection.sync_id
  AND s.initial_backfill_completed_at IS NULL
  AND NOT EXISTS (
      SELECT FROM sequin._sync_collections AS c
      WHERE c.sync_id = s.id AND c.collection_id <> collection.collection_id AND c.backfilled_at IS NULL
  )
