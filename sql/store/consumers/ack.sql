-- The common case of sequin._ack: all that a lease still has, in its order.
DELETE FROM sequin._leases AS l
USING sequin.consumers AS owner
WHERE owner.name = $1 AND l.consumer_no = owner.no AND l.id = $2
  AND l.live = cardinality($3) AND l.positions = $3 AND l.deadline > clock_timestamp()
-- Whoever waits for it is told.
RETURNING (SELECT owner.stream_id FROM sequin._retries AS r
           WHERE r.consumer_no = owner.no AND r.lease_id IS NOT NULL LIMIT 1)
