INSERT INTO sequin._sweep_pages (backfill_id, page, upstream_ids)
SELECT $1, coalesce(max(page), 0) + 1, $2
FROM sequin._sweep_pages
WHERE backfill_id = $1
