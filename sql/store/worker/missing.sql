SELECT r.upstream_id
FROM sequin.backfills AS b
JOIN sequin.records AS r
    ON r.stream_id = b.stream_id AND r.sync_id = b.sync_id AND r.collection_id = b.collection_id AND NOT r.deleted
    AND r.observed_at < b.started_at
LEFT JOIN (
    SELECT DISTINCT unnest(upstream_ids) AS upstream_id FROM sequin._sweep_pages WHERE backfill_id = $1
) AS seen ON seen.upstream_id = r.upstream_id
CROSS JOIN (
    SELECT coalesce(bool_or(hides_any), false) AS are_unread FROM sequin._sweep_pages WHERE backfill_id = $1
) AS lists
WHERE b.id = $1 AND seen.upstream_id IS NULL
  -- A list that was not read may have it: that of its parent …
  AND (r.parent_id IN (
          SELECT hidden_parent_id FROM sequin._sweep_pages WHERE backfill_id = $1 AND hidden_parent_id IS NOT NULL
      )) IS NOT TRUE
  -- … or, where nothing beneath its parent was listed, one further up.
  AND (NOT lists.are_unread OR r.parent_id IN (
          SELECT unnest(parent_ids) FROM sequin._sweep_pages WHERE backfill_id = $1
      ))
ORDER BY r.upstream_id
LIMIT $2
