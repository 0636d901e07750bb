WITH consumers AS MATERIALIZED (
    SELECT sequin.delete_consumer(name) FROM sequin.consumers WHERE stream_id = $1
), syncs AS (
    DELETE FROM sequin.syncs WHERE stream_id = $1
), records AS (
    DELETE FROM sequin.records WHERE stream_id = $1
)
DELETE FROM sequin.streams WHERE id = $1 AND (SELECT count(*) FROM consumers) >= 0
