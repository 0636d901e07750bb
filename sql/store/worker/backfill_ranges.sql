SELECT r.backfill_id, r.no, r.from_at, r.before_at, r.position::text, r.pages, r.done
FROM sequin.backfills AS b
JOIN sequin.syncs AS s ON s.id = b.sync_id
JOIN sequin._backfill_ranges AS r ON r.backfill_id = b.id
WHERE b.state IN ('pending', 'running') AND s.status = 'active'
ORDER BY r.backfill_id, r.no
