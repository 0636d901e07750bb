SELECT f.sync_id, f.feed, f.cursor, f.polled_at, f.failures, f.retry_at
FROM sequin._feeds AS f
JOIN sequin.syncs AS s ON s.id = f.sync_id
WHERE s.status = 'active'
