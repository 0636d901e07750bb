SELECT c.sync_id, c.collection_id, c.backfilled_at IS NOT NULL, c.cursor, c.polled_at, c.swept_at, c.failures, c.retry_at,
       c.failure_class IS NOT DISTINCT FROM 'credential', c.added_at, c.deletes_cursor, c.deletes_polled_at
FROM sequin._sync_collections AS c
JOIN sequin.syncs AS s ON s.id = c.sync_id
WHERE s.status = 'active'
