CREATE VIEW sequin.dead_letters WITH (security_barrier) AS
SELECT c.name AS consumer,
       r.id AS record_id,
       d.position AS updated_idx,
       d.deliver_count,
       d.dead_at,
       sequin._record_json(r, s.json, s.external_id) AS record
FROM sequin._dead_letters AS d
JOIN sequin.consumers AS c ON c.no = d.consumer_no
JOIN sequin.records AS r ON r.stream_id = c.stream_id AND r.updated_idx = d.position
LEFT JOIN sequin._record_syncs AS s ON s.id = r.sync_id
WHERE (SELECT pg_catalog.pg_has_role('sequin_admin', 'USAGE'))
   OR c.no = ANY (ARRAY(SELECT g.no FROM sequin._granted_consumers AS g));
COMMENT ON VIEW sequin.dead_letters IS
    'Records that consumers gave up on after max_deliver deliveries. sequin.requeue delivers them again; a record that '
    'changes comes back by itself.';

CREATE FUNCTION sequin._count_beyond(c sequin.consumers, after bigint, OUT amount bigint, OUT is_estimate boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    plan jsonb;
    sync_ids uuid[] := sequin._filter_syncs(c.syncs);
    seen bigint;
BEGIN
    SELECT count(*) FILTER (WHERE s.hit), count(*) INTO amount, seen
    FROM (SELECT sequin._matches(c.providers, sync_ids, c.collection_ids, r) AS hit
          FROM sequin.records AS r
          WHERE r.stream_id = c.stream_id AND r.updated_idx > after
          ORDER BY r.updated_idx LIMIT 10001) AS s;
    is_estimate := seen > 10000;
    IF is_estimate THEN
        -- The planner knows the distribution of what is too much to count.
        EXECUTE
            'EXPLAIN (FORMAT JSON) SELECT FROM sequin.records AS r WHERE r.stream_id = $1 AND r.updated_idx > $2'
            ' AND ($3 IS NULL OR r.provider = ANY ($3))'
            ' AND ($4 IS NULL OR r.sync_id = ANY ($4))'
            ' AND ($5 IS NULL OR r.collection_id = ANY ($5))'
        INTO plan
        USING c.stream_id, after, c.providers, sync_ids, c.collection_ids;
        amount := greatest(amount, (plan #>> '{0,Plan,Plan Rows}')::numeric::bigint);
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._count_beyond(sequin.consumers, bigint) IS
    'How many matching records the stream has after a position: counted among the next ten thousand, or estimated.';

CREATE VIEW sequin.consumer_status AS
SELECT c.name AS consumer,
       s.name AS stream,
       CASE WHEN c.paused THEN 'paused' ELSE 'active' END AS state,
       coalesce(ranges.amount, 0) + beyond.amount + coalesce(retries.amount, 0) AS pending,
       beyond.is_estimate AS pending_is_estimate,
       coalesce(leases.live, 0) AS in_flight,
       coalesce(leases.redelivered, 0) + coalesce(retries.redelivered, 0) AS redelivered,
       coalesce(dead.amount, 0) AS dead,
       oldest.observed_at AS oldest_pending_at,
       pg_catalog.clock_timestamp() - oldest.observed_at AS oldest_pending_age,
       greatest(leases.taken_at, ranges.taken_at, t.fed_at) AS last_pull_at,
       CASE WHEN t.before_at IS NOT NULL THEN
           pg_catalog.round((t.fed - t.fed_before) / greatest(
               extract(epoch FROM pg_catalog.clock_timestamp() - t.before_at), 0.001), 1)
       END AS rate,
       t.lo AS position
FROM sequin.consumers AS c
JOIN sequin.streams AS s ON s.id = c.stream_id
CROSS JOIN LATERAL (
    SELECT t.lo, t.range_floor, t.lease_floor, t.fed, t.fed_at, t.fed_before, t.before_at
    FROM sequin._consumer_tails AS t WHERE t.consumer_no = c.no
    UNION ALL
    (SELECT k.position, 0, 0, k.fed, k.fed_at, k.fed_before, k.before_at
     FROM sequin._consumer_cursors AS k WHERE k.consumer_no = c.no ORDER BY k.id DESC LIMIT 1)) AS t
CROSS JOIN LATERAL sequin._count_beyond(c, t.lo) AS beyond
LEFT JOIN LATERAL (
    SELECT pg_catalog.sum(g.amount)::bigint AS amount, pg_catalog.max(g.taken_at) AS taken_at, pg_catalog.min(g.lo) AS lo
    FROM sequin._consumer_ranges AS g WHERE g.consumer_no = c.no AND g.hi > t.range_floor) AS ranges ON true
LEFT JOIN LATERAL (
    SELECT pg_catalog.sum(l.live)::bigint AS live, pg_catalog.max(l.taken_at) AS taken_at,
           pg_catalog.sum((SELECT pg_catalog.count(*) FROM ROWS FROM (pg_catalog.unnest(l.counts), pg_catalog.unnest(l.positions)) AS d (n, position)
                           WHERE d.n > 1 AND d.position IS NOT NULL))::bigint AS redelivered
    FROM sequin._leases AS l WHERE l.consumer_no = c.no AND l.id >= t.lease_floor) AS leases ON true
LEFT JOIN LATERAL (
    SELECT pg_catalog.count(*) AS amount, pg_catalog.count(*) FILTER (WHERE r.deliver_count > 0) AS redelivered
    FROM sequin._retries AS r WHERE r.consumer_no = c.no) AS retries ON true
LEFT JOIN LATERAL (
    SELECT pg_catalog.count(*) AS amount
    FROM sequin._dead_letters AS d
    JOIN sequin.records AS r ON r.stream_id = c.stream_id AND r.updated_idx = d.position
    WHERE d.consumer_no = c.no) AS dead ON true
LEFT JOIN LATERAL (
    SELECT r.observed_at FROM sequin.records AS r
    WHERE r.stream_id = c.stream_id AND r.updated_idx > coalesce(ranges.lo, t.lo)
    ORDER BY r.updated_idx LIMIT 1) AS oldest ON true;
COMMENT ON VIEW sequin.consumer_status IS
    'How each consumer is doing. pending: records to deliver, estimated where more than 10000 of the stream lie beyond '
    'what the consumer has looked at; in_flight: delivered and neither settled nor given back; redelivered: of both, '
    'those not delivered for the first time; oldest_pending_at: when the record at the head of the backlog was '
    'observed; rate: records a second of the last ten seconds or so of consuming; position: how far it has looked.';
