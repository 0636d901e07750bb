-- As in sequin._apply_page: one probe of the upstream key for each, whatever the planner believes of the table.
SELECT live.upstream_id
FROM unnest($3::text[], $4::timestamptz[]) AS buried (upstream_id, deleted_at)
CROSS JOIN LATERAL (
    SELECT r.upstream_id, r.upstream_updated_at, r.deleted
    FROM sequin.records AS r
    WHERE r.stream_id = (SELECT s.stream_id FROM sequin.syncs AS s WHERE s.id = $1) AND r.sync_id = $1
      AND r.collection_id = $2
      AND r.upstream_id >= buried.upstream_id AND r.upstream_id <= buried.upstream_id
    ORDER BY r.upstream_id
    OFFSET 0
) AS live
-- What has changed since it was deleted has been restored. Many APIs tell of a deletion to the second only.
WHERE NOT live.deleted AND (date_trunc('second', live.upstream_updated_at) > buried.deleted_at) IS NOT TRUE
