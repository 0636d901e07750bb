SELECT r.upstream_id
FROM unnest($3::text[], $4::timestamptz[]) AS buried (upstream_id, deleted_at)
JOIN sequin.records AS r
    ON r.stream_id = (SELECT s.stream_id FROM sequin.syncs AS s WHERE s.id = $1) AND r.sync_id = $1
    AND r.collection_id = $2 AND r.upstream_id = buried.upstream_id AND NOT r.deleted
-- What has changed since it was deleted has been restored. Many APIs tell of a deletion to the second only.
WHERE (date_trunc('second', r.upstream_updated_at) > buried.deleted_at) IS NOT TRUE
