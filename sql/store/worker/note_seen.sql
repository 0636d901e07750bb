INSERT INTO sequin._sweep_pages (backfill_id, page, upstream_ids, parent_ids, hides_any, hidden_parent_id)
SELECT $1, coalesce(max(page), 0) + 1, $2, $3, $4, $5
FROM sequin._sweep_pages
WHERE backfill_id = $1
