CREATE FUNCTION sequin._oldest_lease(consumer_no int, floor bigint) RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
    -- An xid that is not of this cluster's past came with a dump.
    SELECT min(CASE WHEN l.xid < txid_snapshot_xmax(txid_current_snapshot()) THEN l.xid ELSE 0 END)
    FROM sequin._leases AS l
    WHERE l.consumer_no = $1 AND l.id >= floor
$$;
COMMENT ON FUNCTION sequin._oldest_lease(int, bigint) IS 'The first transaction that took a lease which still is there.';

CREATE FUNCTION sequin._deliver(c sequin.consumers, sync_ids uuid[], lease bigint, positions bigint[], counts int[])
RETURNS TABLE (ack_token text, record jsonb, updated_idx bigint, deliver_count int)
LANGUAGE sql VOLATILE
AS $$
    WITH picked AS MATERIALIZED (
        SELECT p.position, coalesce(p.deliver_count, 0) + 1 AS deliver_count, r.id, sequin.record_json(r) AS json
        FROM unnest(positions, counts) AS p (position, deliver_count)
        JOIN sequin.records AS r ON r.stream_id = (c).stream_id AND r.updated_idx = p.position
        WHERE sequin._matches((c).providers, sync_ids, (c).collection_ids, r)
        ORDER BY p.position
    ), leased AS (
        INSERT INTO sequin._leases (consumer_no, live, id, xid, taken_at, deadline, positions, keys, counts)
        SELECT (c).no, count(*), lease, txid_current(), clock_timestamp(), clock_timestamp() + (c).ack_wait,
               array_agg(p.position), array_agg(sequin._record_key((c).no, p.id)),
               array_agg(p.deliver_count)
        FROM picked AS p
        HAVING count(*) > 0
    )
    SELECT lease || '-' || row_number() OVER (), p.json, p.position, p.deliver_count
    FROM picked AS p
$$;
COMMENT ON FUNCTION sequin._deliver(sequin.consumers, uuid[], bigint, bigint[], int[]) IS
    'Leases the records at these positions, those that still are there; counts: how often each was delivered before, '
    'NULL: never.';

CREATE FUNCTION sequin._admit(c sequin.consumers, room int, lease_floor bigint) RETURNS int
LANGUAGE plpgsql
AS $$
DECLARE
    -- Who takes no more than this need not be asked how much it is.
    modest CONSTANT int := c.max_ack_pending / 16;
    -- Far from what a user of advisory locks would choose.
    amounts CONSTANT int := c.no - 2147483648;
    patience CONSTANT timestamptz := clock_timestamp() + interval '10 ms';
    all_modest boolean;
    crowded boolean := room > modest;
    vacant bigint;
    others bigint;
BEGIN
    -- First say how much, then look at the others. Whoever looks later sees this; whoever has ended has left leases.
    PERFORM pg_advisory_xact_lock_shared(amounts, room);
    IF room > modest THEN
        PERFORM pg_advisory_xact_lock_shared(sequin._immodest_key(c.no));
    END IF;
    LOOP
        all_modest := NOT crowded AND sequin._is_free(sequin._immodest_key(c.no));
        IF NOT all_modest THEN
            SELECT coalesce(sum(l.objid::bigint), 0) INTO others
            FROM pg_locks AS l
            WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.classid::int8 = amounts::int8 & 4294967295
              AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
              AND l.pid IS DISTINCT FROM pg_backend_pid();
        END IF;
        SELECT c.max_ack_pending - coalesce(sum(l.live), 0),
               CASE WHEN all_modest
                   THEN modest * (SELECT count(*) FROM txid_snapshot_xip(txid_current_snapshot()))
                   ELSE others
               END
        INTO vacant, others
        FROM sequin._leases AS l
        WHERE l.consumer_no = c.no AND l.id >= lease_floor;
        EXIT WHEN vacant >= room + others OR vacant <= 0;
        IF all_modest THEN
            crowded := true;
        ELSE
            EXIT WHEN vacant > others OR clock_timestamp() > patience;
            -- Who asked at the same moment sleeps for another time.
            PERFORM pg_sleep(random() / 500);
        END IF;
    END LOOP;
    RETURN greatest(least(room, vacant - others), 0);
END
$$;
COMMENT ON FUNCTION sequin._admit(sequin.consumers, int, bigint) IS
    'How many of "room" records the transaction may take without more than max_ack_pending in flight, whatever other '
    'open transactions take.';

CREATE FUNCTION sequin._take(c sequin.consumers, tail sequin._consumer_tails, batch_size int,
                             oldest_lease bigint, oldest_xid bigint, is_due boolean, has_expired boolean)
RETURNS TABLE (ack_token text, record jsonb, updated_idx bigint, deliver_count int)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    sync_ids uuid[] := sequin._filter_syncs(c.syncs);
    isolated boolean := current_setting('transaction_isolation') IN ('repeatable read', 'serializable');
    publish boolean := false;
    room int;
    got int;
    sent int := 0;
    feeds int := 0;
    others int;
    patience timestamptz;
    patience_for_ranges timestamptz := clock_timestamp() + interval '10 ms';
    piece sequin._consumer_ranges;
    stored boolean;
    blocked boolean := false;
    step record;
    fed text;
    bound bigint;
    candidates bigint[];
    barred bigint[];
    positions bigint[];
    counts int[];
    lease bigint;
BEGIN
    IF has_expired THEN
        PERFORM sequin._sweep(c, tail.lease_floor);
    END IF;
    room := sequin._admit(c, least(batch_size, c.max_ack_pending), tail.lease_floor);
    IF room <= 0 THEN
        RETURN;
    END IF;

    -- A transaction of one statement is over soon after it: it is not worth a lock a record.
    IF now() <> statement_timestamp() OR isolated THEN
        publish := sequin._may_publish(room);
    END IF;
    IF publish THEN
        PERFORM pg_advisory_xact_lock_shared(sequin._taker_key(c.no, txid_current()));
    ELSE
        PERFORM pg_advisory_xact_lock(sequin._taker_key(c.no, txid_current()));
        -- Who takes records aside asks for each from when it has this lock on.
        IF NOT sequin._is_free(sequin._aside_key(c.no)) THEN
            room := least(room, 1000);
            publish := sequin._may_publish(room);
            IF NOT publish THEN
                RETURN;
            END IF;
        END IF;
    END IF;

    IF is_due OR has_expired THEN
        SELECT t.positions, t.counts INTO positions, counts
        FROM sequin._take_retries(c, room, tail.lease_floor, publish, isolated) AS t;
        IF positions IS NOT NULL THEN
            lease := nextval('sequin._lease_id');
            RETURN QUERY SELECT * FROM sequin._deliver(c, sync_ids, lease, positions, counts);
            GET DIAGNOSTICS got = ROW_COUNT;
            room := room - got;
            sent := got;
        END IF;
    END IF;

    <<attempts>>
    LOOP
        WHILE room > 0 LOOP
            SELECT * INTO piece FROM sequin._consumer_ranges AS g
            WHERE g.consumer_no = c.no AND g.hi > tail.range_floor
            ORDER BY g.hi
            LIMIT 1
            FOR UPDATE SKIP LOCKED;
            stored := FOUND;
            IF NOT stored THEN
                SELECT * INTO step FROM sequin._feed(c, sync_ids, room);
                fed := step.outcome;
                piece := step.piece;
                EXIT WHEN fed <> 'fed';
                feeds := feeds + 1;
                IF piece.hi IS NULL THEN
                    -- Nothing but what the filter leaves out: a call gets over a million or two of these.
                    EXIT WHEN feeds >= 100;
                    CONTINUE;
                END IF;
            END IF;

            -- Can something here be in flight already?
            others := 0;
            IF piece.fence > oldest_xid THEN
                others := sequin._other_takers(c.no, piece.fence);
                patience := clock_timestamp() + interval '20 ms';
                WHILE others = 2 AND clock_timestamp() < patience LOOP
                    PERFORM pg_sleep(0.0005);
                    others := sequin._other_takers(c.no, piece.fence);
                END LOOP;
                IF others = 2 THEN
                    blocked := true;
                    IF NOT stored THEN
                        INSERT INTO sequin._consumer_ranges SELECT piece.*;
                    END IF;
                    EXIT;
                END IF;
                oldest_lease := sequin._oldest_lease(c.no, tail.lease_floor);
            END IF;
            bound := piece.hi;
            barred := NULL;
            IF others = 1 OR publish OR isolated OR oldest_lease < piece.fence THEN
                SELECT array_agg(r.updated_idx ORDER BY r.updated_idx) INTO candidates
                FROM (SELECT r.updated_idx FROM sequin.records AS r
                      WHERE r.stream_id = c.stream_id AND r.updated_idx > piece.lo AND r.updated_idx <= piece.hi
                        AND sequin._matches(c.providers, sync_ids, c.collection_ids, r)
                      ORDER BY r.updated_idx LIMIT room) AS r;
                IF cardinality(candidates) = room THEN
                    bound := candidates[room];
                END IF;
                WITH stopped AS (
                    SELECT * FROM sequin._screen(c, candidates, piece.fence, tail.lease_floor, publish)
                ), put_off AS (
                    INSERT INTO sequin._retries (consumer_no, due, position, deliver_count, fence, lease_id, record_key)
                    SELECT c.no, clock_timestamp(), s.barred_position, 0,
                           txid_snapshot_xmax(txid_current_snapshot()), s.barred_lease, s.barred_key
                    FROM stopped AS s
                    WHERE NOT EXISTS (SELECT FROM sequin._aside AS a
                                      WHERE a.consumer_no = c.no AND a.position = s.barred_position)
                )
                SELECT array_agg(s.barred_position) INTO barred FROM stopped AS s;
                IF barred IS NOT NULL THEN
                    -- The lease they wait for may end before this transaction does.
                    PERFORM sequin._announce_change(c.stream_id);
                END IF;
                IF isolated THEN
                    PERFORM sequin._insist(c, ARRAY(SELECT p FROM unnest(candidates) AS p
                                                    WHERE p <> ALL (coalesce(barred, '{}'))));
                END IF;
            END IF;

            lease := nextval('sequin._lease_id');
            RETURN QUERY
            WITH picked AS MATERIALIZED (
                SELECT r.updated_idx AS position, r.id, sequin.record_json(r) AS json
                FROM sequin.records AS r
                WHERE r.stream_id = c.stream_id AND r.updated_idx > piece.lo AND r.updated_idx <= bound
                  AND sequin._matches(c.providers, sync_ids, c.collection_ids, r)
                  AND r.updated_idx NOT IN (SELECT a.position FROM sequin._aside AS a
                                            WHERE a.consumer_no = c.no
                                              AND a.position > piece.lo AND a.position <= bound)
                  AND (barred IS NULL OR r.updated_idx <> ALL (barred))
                ORDER BY r.updated_idx
                LIMIT room
            ), leased AS (
                INSERT INTO sequin._leases (consumer_no, live, id, xid, taken_at, deadline, positions, keys)
                SELECT c.no, count(*), lease, txid_current(), clock_timestamp(), clock_timestamp() + c.ack_wait,
                       array_agg(p.position), array_agg(sequin._record_key(c.no, p.id))
                FROM picked AS p
                HAVING count(*) > 0
            )
            SELECT lease || '-' || row_number() OVER (), p.json, p.position, 1
            FROM picked AS p;
            GET DIAGNOSTICS got = ROW_COUNT;

            IF stored AND bound = piece.hi AND got < room THEN
                DELETE FROM sequin._consumer_ranges AS g WHERE g.consumer_no = c.no AND g.hi = piece.hi;
            ELSIF bound < piece.hi THEN
                UPDATE sequin._consumer_ranges AS g
                SET lo = bound, amount = greatest(g.amount - got, 0), taken_at = clock_timestamp()
                WHERE g.consumer_no = c.no AND g.hi = piece.hi;
            ELSIF stored THEN
                UPDATE sequin._consumer_ranges AS g
                SET lo = (SELECT l.positions[l.live] FROM sequin._leases AS l WHERE l.consumer_no = c.no AND l.id = lease),
                    amount = greatest(g.amount - got, 0), taken_at = clock_timestamp()
                WHERE g.consumer_no = c.no AND g.hi = piece.hi;
            END IF;
            room := room - got;
            sent := sent + got;
        END LOOP;

        EXIT attempts WHEN sent > 0 OR blocked OR isolated OR feeds >= 100
            OR (fed = 'nothing' AND NOT EXISTS (SELECT FROM sequin._consumer_ranges AS g
                                                WHERE g.consumer_no = c.no AND g.hi > tail.range_floor));
        positions := sequin._take_aside(c, sync_ids, least(room, 1000), tail);
        IF positions IS NOT NULL THEN
            RETURN QUERY SELECT * FROM sequin._deliver(c, sync_ids, nextval('sequin._lease_id'), positions, NULL);
            RETURN;
        END IF;
        EXIT WHEN clock_timestamp() > patience_for_ranges;
        -- Mostly somebody is about to commit.
        PERFORM pg_sleep(0.0005);
    END LOOP attempts;
END
$$;
COMMENT ON FUNCTION sequin._take(sequin.consumers, sequin._consumer_tails, int, bigint, bigint, boolean, boolean)
IS 'One attempt of sequin.consume. oldest_lease (the xid that took it) and oldest_xid (the oldest running) '
    'are of one snapshot.';
