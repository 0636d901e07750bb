-- What the stream has of an object, and whose child it is.
SELECT r.parent_id, r.data::text
FROM sequin.records AS r
WHERE r.stream_id = $1 AND r.collection_id = $3
  -- As in sequin._apply_page: only the upstream key will do.
  AND r.upstream_id >= $4 AND r.upstream_id <= $4
  AND r.sync_id = $2
ORDER BY r.upstream_id
LIMIT 1
