-- How sessions share a consumer's backlog without waiting for one another. docs/ARCHITECTURE.md has the reasoning.
--
-- 1. Who takes records locks the range they come from, with SKIP LOCKED. That is all it takes as long as transactions
--    are short and records don't change.
-- 2. A lease of a transaction that is still open can't be seen. So each transaction that consumes holds an advisory lock
--    on (consumer, its xid): shared, if it also holds one on each record it took; exclusive, if it has not told which
--    (it is one statement and over soon, or it took very many). Whoever finds a record that may be the newer version
--    of one that such a transaction has, asks these locks. A range's fence, compared with the oldest running
--    transaction, mostly tells that there is nothing to ask.
-- 3. Where all ranges and the tail are locked by open transactions, records are taken out of their middle: "aside".
--    Each is locked, checked again, and noted in sequin._aside; the lock of _aside_key tells the owners of ranges that
--    they too must ask for each record.

CREATE FUNCTION sequin._taker_key(consumer_no int, xid bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.hashint8extended(xid, consumer_no) $$;
COMMENT ON FUNCTION sequin._taker_key(int, bigint) IS
    'The advisory lock of a transaction that takes records for a consumer.';

CREATE FUNCTION sequin._aside_key(consumer_no int) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.hashint8extended(-1, consumer_no) $$;
COMMENT ON FUNCTION sequin._aside_key(int) IS
    'The advisory lock that transactions share which have taken records aside.';

CREATE FUNCTION sequin._immodest_key(consumer_no int) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.hashint8extended(-2, consumer_no) $$;
COMMENT ON FUNCTION sequin._immodest_key(int) IS
    'The advisory lock that transactions share which take a large part of max_ack_pending.';

CREATE FUNCTION sequin._record_key(consumer_no int, id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.uuid_hash_extended(id, consumer_no) $$;
COMMENT ON FUNCTION sequin._record_key(int, uuid) IS
    'What stands for a record in leases, and the advisory lock of who has taken it and not committed.';

CREATE FUNCTION sequin._is_free(key bigint) RETURNS boolean
LANGUAGE sql VOLATILE
AS $$ SELECT CASE WHEN pg_catalog.pg_try_advisory_lock(key) THEN pg_catalog.pg_advisory_unlock(key) ELSE false END $$;
COMMENT ON FUNCTION sequin._is_free(bigint) IS 'Whether no other session holds the advisory lock.';

CREATE FUNCTION sequin._other_takers(consumer_no int, before bigint) RETURNS int
LANGUAGE plpgsql
AS $$
DECLARE
    key bigint;
    answer int := 0;
BEGIN
    FOR key IN
        SELECT sequin._taker_key(consumer_no, xid)
        FROM txid_snapshot_xip(txid_current_snapshot()) AS xid
        WHERE xid < before AND xid <> txid_current()
    LOOP
        CONTINUE WHEN sequin._is_free(key);
        IF NOT pg_try_advisory_lock_shared(key) THEN
            RETURN 2;
        END IF;
        PERFORM pg_advisory_unlock_shared(key);
        answer := 1;
    END LOOP;
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sequin._other_takers(int, bigint) IS
    'What other open transactions older than "before" have taken for the consumer: 0 nothing, 1 records that they hold '
    'locks on, 2 they don''t tell.';

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
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN syncs IS NOT NULL THEN ARRAY(SELECT s.id FROM sequin.syncs AS s WHERE s.name = ANY (syncs)) END
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
    -- The first piece goes to the caller as it is, the others become ranges. The fence is that of the snapshot which
    -- sees the positions.
    WITH seen AS MATERIALIZED (
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
        SELECT c.no, hi, lo, txid_snapshot_xmax(txid_current_snapshot()), amount FROM pieces WHERE n > 0 ORDER BY n
    )
    SELECT whole.last, whole.amount, first.lo, first.hi, first.amount AS first_amount,
           txid_snapshot_xmax(txid_current_snapshot()) AS fence
    INTO cut
    FROM (SELECT max(position) AS last, count(*) FILTER (WHERE hit) AS amount FROM seen) AS whole
    LEFT JOIN pieces AS first ON first.n = 0;
    last := cut.last;
    IF last IS NULL THEN
        outcome := 'nothing';
        RETURN;
    END IF;
    outcome := 'fed';
    IF cut.hi IS NOT NULL THEN
        piece := ROW(c.no, cut.hi, cut.lo, cut.fence, cut.first_amount, NULL);
    END IF;

    SELECT g.hi INTO lowest_range FROM sequin._consumer_ranges AS g
    WHERE g.consumer_no = c.no AND g.hi > tail.range_floor ORDER BY g.hi LIMIT 1;
    -- Ids up to next_floor are all visible or gone once the transactions that can have drawn them are over.
    IF current_setting('transaction_isolation') IN ('read committed', 'read uncommitted')
       AND (txid_snapshot_xmin(txid_current_snapshot()) >= tail.next_xid
            OR tail.next_xid > txid_snapshot_xmax(txid_current_snapshot())) THEN
        SELECT l.id INTO lowest_lease FROM sequin._leases AS l
        WHERE l.consumer_no = c.no AND l.id >= tail.lease_floor ORDER BY l.id LIMIT 1;
        tail.lease_floor := least(lowest_lease, tail.next_floor);
        SELECT s.last_value INTO tail.next_floor FROM sequin._lease_id AS s;
        tail.next_xid := txid_snapshot_xmax(txid_current_snapshot());
    END IF;
    UPDATE sequin._consumer_tails AS t
    SET lo = last,
        range_floor = coalesce(lowest_range, last) - 1,
        lease_floor = tail.lease_floor, next_floor = tail.next_floor, next_xid = tail.next_xid,
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

CREATE FUNCTION sequin._screen(c sequin.consumers, positions bigint[], fence bigint, lease_floor bigint,
                               publish boolean)
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
      AND CASE WHEN publish THEN pg_try_advisory_xact_lock(sequin._record_key(c.no, r.id))
               ELSE sequin._is_free(sequin._record_key(c.no, r.id)) END;
    RETURN QUERY
    WITH leased AS MATERIALIZED (
        SELECT key, min(l.id) AS id
        FROM sequin._leases AS l, unnest(l.keys) AS key
        WHERE l.consumer_no = c.no AND l.id >= lease_floor
          AND (l.xid < fence OR fence IS NULL OR l.xid >= txid_snapshot_xmax(txid_current_snapshot()))
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
    'transaction has the record. fence: leases of later transactions can''t have them; NULL: all can. publish: lock '
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

CREATE FUNCTION sequin._may_publish(amount int) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    counted text[] := string_to_array(current_setting('sequin_consume.published', true), ':');
    so_far int := 0;
BEGIN
    IF counted[1] = txid_current()::text THEN
        so_far := counted[2]::int;
    END IF;
    IF so_far + amount > 2000 THEN
        RETURN false;
    END IF;
    PERFORM set_config('sequin_consume.published', txid_current() || ':' || so_far + amount, true);
    RETURN true;
END
$$;
COMMENT ON FUNCTION sequin._may_publish(int) IS
    'Counts the records that the transaction holds advisory locks on, which take shared memory: at most 2000.';

CREATE FUNCTION sequin._take_retries(c sequin.consumers, room int, lease_floor bigint, publish boolean, isolated boolean,
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
                 OR NOT EXISTS (SELECT FROM sequin._leases AS l
                                WHERE l.consumer_no = c.no AND l.id = r.lease_id AND r.record_key = ANY (l.keys)))
          ORDER BY r.due, r.id
          FOR UPDATE SKIP LOCKED
          LIMIT room) AS d;
    IF ids IS NULL THEN
        RETURN;
    END IF;
    untold := newest > txid_snapshot_xmin(txid_current_snapshot()) AND sequin._other_takers(c.no, newest) = 2;
    IF untold THEN
        barred := waiting;
        -- Behind others that are due.
        UPDATE sequin._retries AS r SET due = clock_timestamp() + interval '5 ms'
        WHERE r.consumer_no = c.no AND r.id = ANY (ids) AND r.fence IS NOT NULL;
    END IF;
    IF publish OR (waiting IS NOT NULL AND NOT untold) THEN
        WITH stopped AS (
            SELECT * FROM sequin._screen(c, positions, NULL, lease_floor, publish)
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
    -- Before looking at who takes records: who does not tell from now on sees this lock and tells.
    IF sequin._other_takers(c.no, 9223372036854775807) = 2
       OR NOT pg_try_advisory_xact_lock_shared(sequin._aside_key(c.no))
       OR sequin._other_takers(c.no, 9223372036854775807) = 2 THEN
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
