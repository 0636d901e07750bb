CREATE FUNCTION sequin._screen(c sequin.consumers, positions bigint[], fence bigint, lease_floor bigint,
                               tells boolean)
RETURNS TABLE (barred_position bigint, barred_lease bigint, barred_key bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    unlocked bigint[];
BEGIN
    -- Locks first: who has committed since has left a lease that the second statement sees.
    SELECT array_agg(r.updated_idx) INTO unlocked
    FROM sequin.records AS r
    WHERE r.stream_id = c.stream_id AND r.updated_idx = ANY (positions)
      AND CASE WHEN tells THEN pg_try_advisory_xact_lock(sequin._record_key(c.no, r.id))
               ELSE sequin._is_free(sequin._record_key(c.no, r.id)) END;
    IF tells THEN
        PERFORM sequin._note_told(coalesce(cardinality(unlocked), 0));
    END IF;
    RETURN QUERY
    WITH leased AS MATERIALIZED (
        SELECT key, min(l.id) AS id
        FROM sequin._leases AS l, unnest(l.keys) AS key
        WHERE l.consumer_no = c.no AND l.id >= lease_floor
          AND (fence IS NULL OR l.id <= fence)
        GROUP BY key
    )
    SELECT r.updated_idx, leased.id, sequin._record_key(c.no, r.id)
    FROM sequin.records AS r
    LEFT JOIN leased ON leased.key = sequin._record_key(c.no, r.id)
    WHERE r.stream_id = c.stream_id AND r.updated_idx = ANY (positions)
      AND (leased.id IS NOT NULL OR r.updated_idx <> ALL (coalesce(unlocked, '{}')));
END
$$;
COMMENT ON FUNCTION sequin._screen(sequin.consumers, bigint[], bigint, bigint, boolean) IS
    'Which of the records are in flight, in this or an older version; with the lease, or NULL where another open '
    'transaction has the record. fence: leases of later transactions can''t have them; NULL: all can. tells: lock '
    'the others until the transaction ends.';

CREATE FUNCTION sequin._insist(c sequin.consumers, positions bigint[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM FROM sequin.records AS r
    WHERE r.stream_id = c.stream_id AND r.updated_idx = ANY (positions)
    FOR SHARE;
    INSERT INTO sequin._aside (consumer_no, position) SELECT c.no, p FROM unnest(positions) AS p;
    DELETE FROM sequin._aside AS a WHERE a.consumer_no = c.no AND a.position = ANY (positions);
EXCEPTION WHEN unique_violation THEN
    RAISE serialization_failure USING
        MESSAGE = 'could not serialize access due to a concurrent sequin.consume',
        HINT = 'Run the transaction again, or use READ COMMITTED.';
END
$$;
COMMENT ON FUNCTION sequin._insist(sequin.consumers, bigint[]) IS
    'Where the snapshot is old: raises serialization_failure unless the records are what it shows and not taken since.';

CREATE FUNCTION sequin._take_retries(c sequin.consumers, room int, lease_floor bigint, tells boolean, isolated boolean,
                                     OUT positions bigint[], OUT counts int[])
LANGUAGE plpgsql
AS $$
DECLARE
    ids bigint[];
    waiting bigint[];
    were_waiting boolean[];
    newest bigint;
    barred bigint[];
    untold boolean := false;
BEGIN
    SELECT array_agg(d.id), array_agg(d.position), array_agg(d.deliver_count), max(d.fence),
           array_agg(d.position) FILTER (WHERE d.fence IS NOT NULL), array_agg(d.fence IS NOT NULL)
    INTO ids, positions, counts, newest, waiting, were_waiting
    FROM (SELECT r.* FROM sequin._retries AS r
          WHERE r.consumer_no = c.no AND r.due <= clock_timestamp()
            AND (r.lease_id IS NULL
                 OR r.record_key NOT IN (SELECT key FROM sequin._leases AS l, unnest(l.keys) AS key
                                         WHERE l.consumer_no = c.no AND l.id >= lease_floor AND key IS NOT NULL))
          ORDER BY r.due, r.id
          FOR UPDATE SKIP LOCKED
          LIMIT room) AS d;
    IF ids IS NULL THEN
        RETURN;
    END IF;
    untold := newest IS NOT NULL AND sequin._other_takers(c.no, newest) = 2;
    IF untold THEN
        barred := waiting;
        -- Behind others that are due.
        UPDATE sequin._retries AS r SET due = clock_timestamp() + interval '5 ms'
        WHERE r.consumer_no = c.no AND r.id = ANY (ids) AND r.fence IS NOT NULL;
    END IF;
    IF tells OR (waiting IS NOT NULL AND NOT untold) THEN
        WITH stopped AS (
            SELECT * FROM sequin._screen(c, positions, NULL, lease_floor, tells)
        ), put_off AS (
            UPDATE sequin._retries AS r
            SET due = clock_timestamp() + CASE WHEN s.barred_lease IS NULL THEN interval '10 ms' ELSE interval '0' END,
                lease_id = s.barred_lease, record_key = s.barred_key
            FROM stopped AS s
            WHERE r.consumer_no = c.no AND r.id = ANY (ids) AND r.position = s.barred_position
        )
        SELECT coalesce(barred, '{}') || coalesce(array_agg(s.barred_position), '{}') INTO barred FROM stopped AS s;
    END IF;
    IF isolated THEN
        PERFORM sequin._insist(c, ARRAY(SELECT DISTINCT p FROM unnest(positions) AS p WHERE p <> ALL (barred)));
    END IF;
    -- What was taken aside meanwhile was put off for nothing.
    DELETE FROM sequin._retries AS r
    WHERE r.consumer_no = c.no AND r.id = ANY (ids) AND r.position <> ALL (coalesce(barred, '{}'));
    SELECT array_agg(t.position), array_agg(t.deliver_count)
    INTO positions, counts
    FROM (SELECT p.position, max(p.deliver_count) AS deliver_count
          FROM unnest(positions, counts, were_waiting) AS p (position, deliver_count, was_waiting)
          WHERE p.position <> ALL (coalesce(barred, '{}'))
            AND NOT (p.was_waiting
                     AND EXISTS (SELECT FROM sequin._aside AS a
                                 WHERE a.consumer_no = c.no AND a.position = p.position))
          GROUP BY 1) AS t;
END
$$;
COMMENT ON FUNCTION sequin._take_retries(sequin.consumers, int, bigint, boolean, boolean) IS
    'Takes up to "room" retries that are due and not in flight, with how often they were delivered.';

CREATE FUNCTION sequin._take_aside(c sequin.consumers, sync_ids uuid[], room int, tail sequin._consumer_tails)
RETURNS bigint[]
LANGUAGE plpgsql
AS $$
DECLARE
    candidate record;
    positions bigint[] := '{}';
BEGIN
    -- Who does not tell is asked for once more under the lock: who comes later sees it and tells.
    IF sequin._other_takers(c.no, NULL) = 2
       OR NOT pg_try_advisory_xact_lock_shared(sequin._aside_key(c.no))
       OR sequin._other_takers(c.no, NULL) = 2 THEN
        RETURN NULL;
    END IF;
    FOR candidate IN
        SELECT r.updated_idx AS position, sequin._record_key(c.no, r.id) AS key
        FROM (SELECT g.lo, g.hi FROM sequin._consumer_ranges AS g
              WHERE g.consumer_no = c.no AND g.hi > tail.range_floor
              UNION ALL
              SELECT t.lo, 9223372036854775807 FROM sequin._consumer_tails AS t WHERE t.consumer_no = c.no
              ORDER BY hi) AS g
        CROSS JOIN LATERAL (
            SELECT r.* FROM sequin.records AS r
            WHERE r.stream_id = c.stream_id AND r.updated_idx > g.lo AND r.updated_idx <= g.hi
            ORDER BY r.updated_idx) AS r
        WHERE sequin._matches(c.providers, sync_ids, c.collection_ids, r.*::sequin.records)
          -- What can't be had must not use up the room, nor be locked for nothing.
          AND NOT EXISTS (SELECT FROM sequin._aside AS a WHERE a.consumer_no = c.no AND a.position = r.updated_idx)
          AND sequin._record_key(c.no, r.id) NOT IN (
              SELECT key FROM sequin._leases AS l, unnest(l.keys) AS key
              WHERE l.consumer_no = c.no AND l.id >= tail.lease_floor AND key IS NOT NULL)
        LIMIT 20000
    LOOP
        IF pg_try_advisory_xact_lock(candidate.key) THEN
            positions := positions || candidate.position;
            EXIT WHEN cardinality(positions) >= room;
        END IF;
    END LOOP;
    -- With a new snapshot: what others committed before the lock was free is no longer there to be taken.
    SELECT array_agg(p) INTO positions
    FROM unnest(positions) AS p
    WHERE (p > (SELECT t.lo FROM sequin._consumer_tails AS t WHERE t.consumer_no = c.no)
           OR p > (SELECT g.lo FROM sequin._consumer_ranges AS g
                   WHERE g.consumer_no = c.no AND g.hi >= p ORDER BY g.hi LIMIT 1))
      AND NOT EXISTS (SELECT FROM sequin._aside AS a WHERE a.consumer_no = c.no AND a.position = p)
      AND p <> ALL (ARRAY(SELECT s.barred_position
                          FROM sequin._screen(c, positions, NULL, tail.lease_floor, true) AS s));
    INSERT INTO sequin._aside (consumer_no, position) SELECT c.no, p FROM unnest(positions) AS p;
    RETURN positions;
END
$$;
COMMENT ON FUNCTION sequin._take_aside(sequin.consumers, uuid[], int, sequin._consumer_tails) IS
    'Takes up to "room" records out of what other open transactions hold but have not taken; NULL: none.';

CREATE FUNCTION sequin._deliver(c sequin.consumers, sync_ids uuid[], lease bigint, positions bigint[], counts int[])
RETURNS TABLE (ack_token text, record jsonb, updated_idx bigint, deliver_count int)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH picked AS MATERIALIZED (
        SELECT p.position, coalesce(p.times, 0) + 1 AS times, r.id,
               sequin._record_json(r, s.json, s.external_id) AS json
        FROM unnest(positions, counts) AS p (position, times)
        JOIN sequin.records AS r ON r.stream_id = c.stream_id AND r.updated_idx = p.position
        LEFT JOIN LATERAL (SELECT s.* FROM sequin._record_syncs AS s WHERE s.id = r.sync_id OFFSET 0) AS s ON true
        WHERE sequin._matches(c.providers, sync_ids, c.collection_ids, r)
        ORDER BY p.position
    ), leased AS (
        INSERT INTO sequin._leases (consumer_no, live, id, taken_at, deadline, positions, keys, counts)
        SELECT c.no, count(*), lease, clock_timestamp(), clock_timestamp() + c.ack_wait,
               array_agg(p.position), array_agg(sequin._record_key(c.no, p.id)),
               array_agg(p.times)
        FROM picked AS p
        HAVING count(*) > 0
    )
    SELECT lease || '-' || p.position, p.json, p.position, p.times
    FROM picked AS p;
END
$$;
COMMENT ON FUNCTION sequin._deliver(sequin.consumers, uuid[], bigint, bigint[], int[]) IS
    'Leases the records at these positions, those that still are there; counts: how often each was delivered before, '
    'NULL: never.';

CREATE FUNCTION sequin._take(c sequin.consumers, tail sequin._consumer_tails, batch_size int,
                             oldest_lease bigint, is_due boolean, has_expired boolean)
RETURNS TABLE (ack_token text, record jsonb, updated_idx bigint, deliver_count int)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    sync_ids uuid[] := sequin._filter_syncs(c.syncs);
    isolated boolean := current_setting('transaction_isolation') IN ('repeatable read', 'serializable');
    tells boolean := false;
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
    IF isolated OR sequin._in_transaction_block() THEN
        tells := sequin._may_tell(room);
    END IF;
    IF NOT sequin._enter(c.no, tells) THEN
        RETURN;
    END IF;
    IF NOT tells AND NOT sequin._is_free(sequin._aside_key(c.no)) THEN
        room := least(room, 1000);
        tells := sequin._may_tell(room);
        IF NOT tells THEN
            RETURN;
        END IF;
    END IF;

    IF is_due OR has_expired THEN
        SELECT t.positions, t.counts INTO positions, counts
        FROM sequin._take_retries(c, room, tail.lease_floor, tells, isolated) AS t;
        IF positions IS NOT NULL THEN
            lease := nextval('sequin._lease_id');
            RETURN QUERY SELECT * FROM sequin._deliver(c, sync_ids, lease, positions, counts);
            GET DIAGNOSTICS got = ROW_COUNT;
            PERFORM sequin._note_taken(c.no, got);
            room := room - got;
            sent := got;
        END IF;
    END IF;

    <<attempts>>
    LOOP
        WHILE room > 0 LOOP
            IF tells AND NOT sequin._may_tell(room) THEN
                -- It has locked many that it could not have.
                blocked := true;
                EXIT;
            END IF;
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
                    -- There are ranges now, or nothing but what the filter leaves out: over a million or two of these
                    -- a call gets.
                    EXIT WHEN feeds >= 100;
                    CONTINUE;
                END IF;
            END IF;

            -- Can something here be in flight already?
            others := 0;
            IF NOT piece.settled THEN
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
                -- Who is no longer open has left a lease.
                SELECT min(l.id) INTO oldest_lease
                FROM sequin._leases AS l WHERE l.consumer_no = c.no AND l.id >= tail.lease_floor;
            END IF;
            bound := piece.hi;
            barred := NULL;
            IF others = 1 OR tells OR isolated OR oldest_lease <= piece.fence THEN
                SELECT array_agg(r.updated_idx ORDER BY r.updated_idx) INTO candidates
                FROM (SELECT r.updated_idx FROM sequin.records AS r
                      WHERE r.stream_id = c.stream_id AND r.updated_idx > piece.lo AND r.updated_idx <= piece.hi
                        AND sequin._matches(c.providers, sync_ids, c.collection_ids, r)
                        AND r.updated_idx NOT IN (SELECT a.position FROM sequin._aside AS a
                                                  WHERE a.consumer_no = c.no
                                                    AND a.position > piece.lo AND a.position <= piece.hi)
                      ORDER BY r.updated_idx LIMIT room) AS r;
                IF cardinality(candidates) = room THEN
                    bound := candidates[room];
                END IF;
                WITH stopped AS (
                    SELECT * FROM sequin._screen(c, candidates, piece.fence, tail.lease_floor, tells)
                ), put_off AS (
                    INSERT INTO sequin._retries (consumer_no, due, position, deliver_count, fence, lease_id, record_key)
                    SELECT c.no, clock_timestamp(), s.barred_position, 0,
                           sequin._last_ticket(), s.barred_lease, s.barred_key
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
            -- Read twice from one snapshot: that is cheaper than to keep the JSON in between.
            RETURN QUERY
            WITH picked AS NOT MATERIALIZED (
                SELECT r.updated_idx AS position, r.id, sequin._record_json(r, s.json, s.external_id) AS json
                FROM sequin.records AS r
                LEFT JOIN LATERAL (SELECT s.* FROM sequin._record_syncs AS s WHERE s.id = r.sync_id OFFSET 0) AS s ON true
                WHERE r.stream_id = c.stream_id AND r.updated_idx > piece.lo AND r.updated_idx <= bound
                  AND sequin._matches(c.providers, sync_ids, c.collection_ids, r)
                  AND r.updated_idx NOT IN (SELECT a.position FROM sequin._aside AS a
                                            WHERE a.consumer_no = c.no
                                              AND a.position > piece.lo AND a.position <= bound)
                  AND (barred IS NULL OR r.updated_idx <> ALL (barred))
                ORDER BY r.updated_idx
                LIMIT room
            ), leased AS (
                INSERT INTO sequin._leases (consumer_no, live, id, taken_at, deadline, positions, keys)
                SELECT c.no, count(*), lease, clock_timestamp(), clock_timestamp() + c.ack_wait,
                       array_agg(p.position), array_agg(sequin._record_key(c.no, p.id))
                FROM picked AS p
                HAVING count(*) > 0
            )
            SELECT lease || '-' || p.position, p.json, p.position, 1
            FROM picked AS p;
            GET DIAGNOSTICS got = ROW_COUNT;

            IF stored AND bound = piece.hi AND got < room THEN
                DELETE FROM sequin._consumer_ranges AS g WHERE g.consumer_no = c.no AND g.hi = piece.hi;
            ELSIF bound < piece.hi THEN
                UPDATE sequin._consumer_ranges AS g
                SET lo = bound, settled = (others = 0), amount = greatest(g.amount - got, 0), taken_at = clock_timestamp()
                WHERE g.consumer_no = c.no AND g.hi = piece.hi;
            ELSIF stored THEN
                UPDATE sequin._consumer_ranges AS g
                SET lo = (SELECT l.positions[l.live] FROM sequin._leases AS l WHERE l.consumer_no = c.no AND l.id = lease),
                    settled = (others = 0), amount = greatest(g.amount - got, 0), taken_at = clock_timestamp()
                WHERE g.consumer_no = c.no AND g.hi = piece.hi;
            END IF;
            PERFORM sequin._note_taken(c.no, got);
            room := room - got;
            sent := sent + got;
        END LOOP;

        EXIT attempts WHEN sent > 0 OR blocked OR isolated OR feeds >= 100
            OR (fed = 'nothing' AND NOT EXISTS (SELECT FROM sequin._consumer_ranges AS g
                                                WHERE g.consumer_no = c.no AND g.hi > tail.range_floor));
        positions := sequin._take_aside(c, sync_ids, least(room, 1000), tail);
        IF positions IS NOT NULL THEN
            RETURN QUERY SELECT * FROM sequin._deliver(c, sync_ids, nextval('sequin._lease_id'), positions, NULL);
            GET DIAGNOSTICS got = ROW_COUNT;
            PERFORM sequin._note_taken(c.no, got);
            RETURN;
        END IF;
        EXIT WHEN clock_timestamp() > patience_for_ranges;
        -- Mostly somebody is about to commit.
        PERFORM pg_sleep(0.0005);
    END LOOP attempts;
END
$$;
COMMENT ON FUNCTION sequin._take(sequin.consumers, sequin._consumer_tails, int, bigint, boolean, boolean) IS
    'One attempt of sequin.consume. oldest_lease: the id of the oldest lease, NULL: none.';
