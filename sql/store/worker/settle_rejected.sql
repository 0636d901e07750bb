WITH fetched AS (
    SELECT id, row_number() OVER (ORDER BY id DESC) = 1 AS is_latest
    FROM sequin.rejected_records
    WHERE sync_id = $1 AND collection_id = $2 AND upstream_id = $3
), superseded AS (
    DELETE FROM sequin.rejected_records AS r
    USING fetched AS f
    WHERE r.id = f.id AND NOT f.is_latest AND $4 IS NULL
)
UPDATE sequin.rejected_records AS r
SET retry_requested_at = NULL, retry_error = $4
FROM fetched AS f
WHERE r.id = f.id AND (f.is_latest OR $4 IS NOT NULL)
