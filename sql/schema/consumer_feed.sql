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
    portion CONSTANT int := CASE WHEN c.filter = '{}' THEN least(greatest(256, room * 16), 4096) ELSE 4096 END;
    last bigint;
    cut record;
    found_amount bigint := 0;
    lowest_range bigint;
    lowest_lease bigint;
BEGIN
    SELECT * INTO tail FROM sequin._consumer_tails AS t WHERE t.consumer_no = c.no FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        outcome := 'locked';
        RETURN;
    END IF;
    last := tail.lo;
    FOR round IN 1..greatest(16384 / portion, 1) LOOP
        -- The fence is read after the snapshot is taken that sees the positions.
        IF c.filter = '{}' THEN
            -- The index has it all.
            SELECT max(s.position) AS last, count(*) AS seen, count(*) AS amount, min(s.position) - 1 AS lo,
                   max(s.position) AS hi, sequin._last_ticket() AS fence
            INTO cut
            FROM (SELECT r.updated_idx AS position
                  FROM sequin.records AS r
                  WHERE r.stream_id = c.stream_id AND r.updated_idx > last
                  ORDER BY r.updated_idx LIMIT portion) AS s;
        ELSE
            SELECT max(s.position) AS last, count(*) AS seen,
                   count(*) FILTER (WHERE s.hit) AS amount,
                   min(s.position) FILTER (WHERE s.hit) - 1 AS lo,
                   max(s.position) FILTER (WHERE s.hit) AS hi,
                   sequin._last_ticket() AS fence
            INTO cut
            FROM (SELECT r.updated_idx AS position,
                         sequin._matches(c.providers, sync_ids, c.collection_ids, r) AS hit
                  FROM sequin.records AS r
                  WHERE r.stream_id = c.stream_id AND r.updated_idx > last
                  ORDER BY r.updated_idx LIMIT portion) AS s;
        END IF;
        EXIT WHEN cut.seen = 0;
        last := cut.last;
        found_amount := found_amount + cut.amount;
        IF cut.amount BETWEEN 1 AND room AND found_amount = cut.amount THEN
            piece := ROW(c.no, cut.hi, cut.lo, cut.fence, cut.amount, false, NULL);
        ELSIF cut.amount > 0 THEN
            INSERT INTO sequin._consumer_ranges (consumer_no, hi, lo, fence, amount)
            VALUES (c.no, cut.hi, cut.lo, cut.fence, cut.amount);
        END IF;
        EXIT WHEN cut.seen < portion;
    END LOOP;
    IF last = tail.lo THEN
        outcome := 'nothing';
        RETURN;
    END IF;
    outcome := 'fed';

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
    IF tail.before_at IS NULL OR tail.before_at < clock_timestamp() - interval '10 s' THEN
        tail.before_at := tail.fed_at;
        tail.fed_before := tail.fed;
    END IF;
    UPDATE sequin._consumer_tails AS t
    -- The piece may have to be stored yet.
    SET lo = last, range_floor = coalesce(least(lowest_range, piece.hi), last) - 1,
        lease_floor = tail.lease_floor, next_floor = tail.next_floor,
        fed = tail.fed + found_amount, fed_at = clock_timestamp(),
        fed_before = tail.fed_before, before_at = tail.before_at
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
    '(another transaction is feeding). piece: the first records, up to "room", for the caller alone; NULL: none.';

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
