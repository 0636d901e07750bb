-- $3: which lists could not be read and why, by what they are called. $4: whether all others could. $5: whether nothing is
-- said of those behind the last of them. Whether any could not be read before and now can.
WITH known AS MATERIALIZED (
    SELECT coalesce(unread, '{}') AS unread
    FROM sequin._sync_collections
    WHERE sync_id = $1 AND collection_id = $2
), given AS (
    SELECT coalesce(jsonb_object_agg(
               e.key,
               e.value || jsonb_build_object(
                   'since', coalesce(known.unread #> ARRAY[e.key, 'since'], to_jsonb(clock_timestamp()))
               )
           ), '{}') AS unread
    FROM known
    CROSS JOIN jsonb_each($3::jsonb) AS e
), left_over AS (
    SELECT known.unread AS known,
           CASE WHEN $4 THEN given.unread ELSE known.unread || given.unread END AS unread
    FROM known
    CROSS JOIN given
), noted AS (
    UPDATE sequin._sync_collections AS c
    SET unread = nullif(left_over.unread, '{}')
    FROM left_over
    WHERE c.sync_id = $1 AND c.collection_id = $2 AND left_over.unread <> left_over.known
)
SELECT EXISTS (
    SELECT FROM left_over CROSS JOIN jsonb_object_keys(left_over.known) AS name
    WHERE NOT left_over.unread ? name
      AND NOT ($5 AND name COLLATE "C" > (SELECT max(told COLLATE "C") FROM jsonb_object_keys($3::jsonb) AS told))
)
