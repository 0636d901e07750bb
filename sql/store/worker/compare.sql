SELECT count(r.id),
       count(r.id) FILTER (
           WHERE r.observed_at < b.started_at AND seen.upstream_id IS NULL
             -- As in missing.sql.
             AND (r.parent_id IN (
                     SELECT hidden_parent_id FROM sequin._sweep_pages
                     WHERE backfill_id = $1 AND hidden_parent_id IS NOT NULL
                 )) IS NOT TRUE
             AND (NOT lists.are_unread OR r.parent_id IN (
                     SELECT unnest(parent_ids) FROM sequin._sweep_pages WHERE backfill_id = $1
                 ))
       ),
       coalesce(b.started_at, now()),
       EXISTS (SELECT FROM sequin._sweep_pages WHERE backfill_id = $1 AND upstream_ids <> '{}'),
       coalesce(b.may_delete, 0)
FROM sequin.backfills AS b
LEFT JOIN sequin.records AS r
    ON r.stream_id = b.stream_id AND r.sync_id = b.sync_id AND r.collection_id = b.collection_id AND NOT r.deleted
LEFT JOIN (
    SELECT DISTINCT unnest(upstream_ids) AS upstream_id FROM sequin._sweep_pages WHERE backfill_id = $1
) AS seen ON seen.upstream_id = r.upstream_id
CROSS JOIN (
    SELECT coalesce(bool_or(hides_any), false) AS are_unread FROM sequin._sweep_pages WHERE backfill_id = $1
) AS lists
WHERE b.id = $1
GROUP BY b.started_at, b.may_delete
