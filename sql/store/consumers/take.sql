-- The common case of sequin._take in one statement: a settled range, nothing in flight that could be older, nothing due
-- again. Returns nothing where it is another case. The caller holds the locks of sequin._admit and sequin._enter, drawn
-- before this statement's snapshot was taken. $4: how many at most; $5: the lease's id; $6: how many others may be
-- taking; $7 to $9: the filter, as parameters, since expressions of them cost next to nothing for each record.
WITH piece AS MATERIALIZED (
    SELECT k.stream_id, k.ack_wait, free.hi, free.lo,
           ARRAY(SELECT a.position FROM sequin._aside AS a
                 WHERE a.consumer_no = $2 AND a.position > free.lo AND a.position <= free.hi) AS aside
    FROM sequin.consumers AS k
    JOIN sequin._consumer_tails AS t ON t.consumer_no = k.no
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(l.live), 0) AS in_flight, min(l.deadline) AS expiry, min(l.id) AS oldest
        FROM sequin._leases AS l
        WHERE l.consumer_no = $2 AND l.id >= t.lease_floor
    ) AS leases
    CROSS JOIN LATERAL (
        SELECT g.hi, g.lo, g.fence, g.settled FROM sequin._consumer_ranges AS g
        WHERE g.consumer_no = $2 AND g.hi > t.range_floor
        ORDER BY g.hi
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) AS free
    WHERE k.name = $1 AND k.no = $2 AND k.max_ack_pending = $3 AND NOT k.paused
      AND k.providers IS NOT DISTINCT FROM $7 AND k.collection_ids IS NOT DISTINCT FROM $9
      AND CASE WHEN k.syncs IS NULL THEN $8 IS NULL ELSE sequin._filter_syncs(k.syncs) = $8 END
      AND leases.in_flight + $4 + $6 <= $3
      AND (leases.expiry IS NULL OR leases.expiry > clock_timestamp())
      AND free.settled AND (leases.oldest IS NULL OR leases.oldest > free.fence)
      AND NOT EXISTS (SELECT FROM sequin._retries AS r
                      WHERE r.consumer_no = $2 AND r.lease_id IS NULL AND r.due <= clock_timestamp())
      AND NOT EXISTS (SELECT FROM sequin._retries AS r WHERE r.consumer_no = $2 AND r.lease_id IS NOT NULL)
), taken AS MATERIALIZED (
    SELECT piece.*, sight.*
    FROM piece
    CROSS JOIN LATERAL (
        SELECT count(*)::int AS amount, array_agg(s.position) AS positions, array_agg(s.key) AS keys,
               max(s.position) AS last
        FROM (SELECT r.updated_idx AS position, sequin._record_key($2, r.id) AS key
              FROM sequin.records AS r
              WHERE r.stream_id = piece.stream_id AND r.updated_idx > piece.lo AND r.updated_idx <= piece.hi
                AND sequin._matches($7, $8, $9, r) AND r.updated_idx <> ALL (piece.aside)
              ORDER BY r.updated_idx
              LIMIT $4) AS s
    ) AS sight
    WHERE sight.amount > 0
), leased AS (
    INSERT INTO sequin._leases (consumer_no, live, id, taken_at, deadline, positions, keys)
    SELECT $2, taken.amount, $5, clock_timestamp(), clock_timestamp() + taken.ack_wait, taken.positions, taken.keys
    FROM taken
), moved AS (
    UPDATE sequin._consumer_ranges AS g
    SET lo = taken.last, amount = greatest(g.amount - taken.amount, 0), taken_at = clock_timestamp()
    FROM taken
    WHERE g.consumer_no = $2 AND g.hi = taken.hi
)
-- Read twice from one snapshot: that is cheaper than to keep the JSON in between.
SELECT $5 || '-' || delivery.position, delivery.json, delivery.position, 1
FROM taken
CROSS JOIN LATERAL (
    SELECT r.updated_idx AS position, sequin._record_json(r, s.json, s.external_id) AS json
    FROM sequin.records AS r
    LEFT JOIN LATERAL (SELECT s.* FROM sequin._record_syncs AS s WHERE s.id = r.sync_id OFFSET 0) AS s ON true
    WHERE r.stream_id = taken.stream_id AND r.updated_idx > taken.lo AND r.updated_idx <= taken.last
      AND sequin._matches($7, $8, $9, r) AND r.updated_idx <> ALL (taken.aside)
    ORDER BY r.updated_idx
    OFFSET 0
) AS delivery
