WITH marked AS (
    UPDATE sequin.rejected_records
    SET retry_requested_at = now(), retry_error = NULL
    WHERE sync_id = $1 AND collection_id = ANY ($2) AND upstream_id IS NOT NULL
    RETURNING collection_id, upstream_id
)
SELECT count(DISTINCT (collection_id, upstream_id)) FROM marked
