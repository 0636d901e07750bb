CREATE FUNCTION sequin._matches(providers text[], sync_ids uuid[], collection_ids text[], r sequin.records)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT (providers IS NULL OR (r).provider = ANY (providers))
       AND (sync_ids IS NULL OR (r).sync_id = ANY (sync_ids))
       AND (collection_ids IS NULL OR (r).collection_id = ANY (collection_ids))
$$;
COMMENT ON FUNCTION sequin._matches(text[], uuid[], text[], sequin.records) IS
    'Whether a consumer''s filter lets the record pass; NULL lets everything pass.';

CREATE FUNCTION sequin._filter_syncs(syncs text[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF syncs IS NOT NULL THEN
        RETURN ARRAY(SELECT s.id FROM sequin.syncs AS s WHERE s.name = ANY (syncs));
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._filter_syncs(text[]) IS 'The ids of the syncs of that name; NULL for NULL.';

CREATE FUNCTION sequin._feed(c sequin.consumers, sync_ids uuid[], room int,
                             OUT outcome text, OUT piece sequin._consumer_ranges)
LANGUAGE plpgsql
AS $$
DECLARE
    tail sequin._consumer_tails;
    portion int := least(greatest(256, room * 16), 4096);
    scope int := 16384 + room;
    last bigint;
    lowest_range bigint;
    lowest_lease bigint;
    cut record;
BEGIN
    SELECT * INTO tail FROM sequin._consumer_tails AS t WHERE t.consumer_no = c.no FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        outcome := 'locked';
        RETURN;
    END IF;
    -- The first piece goes to the caller as it is, the others become ranges. The fence is read after the snapshot is
    -- taken that sees the positions.
    WITH fence AS MATERIALIZED (
        SELECT sequin._last_ticket() AS ticket
    ), seen AS MATERIALIZED (
        SELECT position, hit, count(*) FILTER (WHERE hit) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) AS hits
        FROM (SELECT r.updated_idx AS position,
                     sequin._matches(c.providers, sync_ids, c.collection_ids, r) AS hit
              FROM sequin.records AS r
              WHERE r.stream_id = c.stream_id AND r.updated_idx > tail.lo
              ORDER BY r.updated_idx LIMIT scope) AS r
    ), pieces AS MATERIALIZED (
        SELECT CASE WHEN hits > room THEN 1 + (hits - room - 1) / portion ELSE 0 END AS n,
               min(position) - 1 AS lo, max(position) AS hi, count(*)::int AS amount
        FROM seen WHERE hit GROUP BY 1
    ), stored AS (
        INSERT INTO sequin._consumer_ranges (consumer_no, hi, lo, fence, amount)
        SELECT c.no, hi, lo, fence.ticket, amount FROM pieces, fence WHERE n > 0 ORDER BY n
    )
    SELECT whole.last, whole.amount, first.lo, first.hi, first.amount AS first_amount,
           fence.ticket AS fence
    INTO cut
    FROM (SELECT max(position) AS last, count(*) FILTER (WHERE hit) AS amount FROM seen) AS whole
    CROSS JOIN fence
    LEFT JOIN pieces AS first ON first.n = 0;
    last := cut.last;
    IF last IS NULL THEN
        outcome := 'nothing';
        RETURN;
    END IF;
    outcome := 'fed';
    IF cut.hi IS NOT NULL THEN
        piece := ROW(c.no, cut.hi, cut.lo, cut.fence, cut.first_amount, false, NULL);
    END IF;

    SELECT g.hi INTO lowest_range FROM sequin._consumer_ranges AS g
    WHERE g.consumer_no = c.no AND g.hi > tail.range_floor ORDER BY g.hi LIMIT 1;
    -- Who leaves a lease with an id up to next_floor has a ticket before it.
    IF current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')
       AND sequin._other_takers(c.no, tail.next_floor) = 0 THEN
        SELECT l.id INTO lowest_lease FROM sequin._leases AS l
        WHERE l.consumer_no = c.no AND l.id >= tail.lease_floor ORDER BY l.id LIMIT 1;
        tail.lease_floor := least(lowest_lease, tail.next_floor);
        tail.next_floor := sequin._last_ticket();
    END IF;
    UPDATE sequin._consumer_tails AS t
    SET lo = last,
        range_floor = coalesce(lowest_range, last) - 1,
        lease_floor = tail.lease_floor, next_floor = tail.next_floor,
        fed = tail.fed + cut.amount, fed_at = clock_timestamp(),
        (fed_before, before_at) = (
            SELECT CASE WHEN aged THEN tail.fed ELSE tail.fed_before END,
                   CASE WHEN aged THEN tail.fed_at ELSE tail.before_at END
            FROM (SELECT tail.before_at IS NULL OR tail.before_at < clock_timestamp() - interval '10 s' AS aged) AS a)
    WHERE t.consumer_no = c.no;
    -- The tail is locked, so nobody has cut ranges that can't be seen yet.
    DELETE FROM sequin._aside AS a
    WHERE a.consumer_no = c.no AND a.position <= tail.lo
      AND NOT EXISTS (SELECT FROM (SELECT g.lo FROM sequin._consumer_ranges AS g
                                   WHERE g.consumer_no = c.no AND g.hi >= a.position
                                   ORDER BY g.hi LIMIT 1) AS around
                      WHERE around.lo < a.position)
      AND NOT EXISTS (SELECT FROM sequin._retries AS r WHERE r.consumer_no = c.no AND r.position = a.position);
END
$$;
COMMENT ON FUNCTION sequin._feed(sequin.consumers, uuid[], int) IS
    'Cuts the next 16384 positions of the stream into ranges. outcome: fed, nothing (the stream ends here) or locked '
    '(another transaction is feeding). piece: the first "room" matching records, for the caller alone; NULL: none.';

CREATE FUNCTION sequin._next_match(c sequin.consumers, sync_ids uuid[], INOUT after bigint, OUT found_match boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    last bigint;
BEGIN
    LOOP
        SELECT max(s.position), bool_or(s.hit) INTO last, found_match
        FROM (SELECT r.updated_idx AS position,
                     sequin._matches(c.providers, sync_ids, c.collection_ids, r) AS hit
              FROM sequin.records AS r
              WHERE r.stream_id = c.stream_id AND r.updated_idx > after
              ORDER BY r.updated_idx LIMIT 4096) AS s;
        EXIT WHEN found_match OR last IS NULL;
        after := last;
    END LOOP;
    found_match := found_match IS TRUE;
END
$$;
COMMENT ON FUNCTION sequin._next_match(sequin.consumers, uuid[], bigint) IS
    'Whether a record after the position matches the filter; and the position up to which none does.';
