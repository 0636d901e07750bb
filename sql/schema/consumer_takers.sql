-- How sessions share a consumer's backlog without waiting for one another; docs/ARCHITECTURE.md has the reasoning.
--
-- 1. Who takes records locks the range they come from, with SKIP LOCKED. That is all it takes as long as transactions
--    are short and records don't change.
-- 2. A lease of a transaction that is still open can't be seen. So who takes records draws a ticket first, from the
--    sequence of the leases' ids, and holds an advisory lock on it until the transaction ends: a shared one, if the
--    transaction also holds one on each record it took ("it tells"); an exclusive one, if not (it is one statement and
--    over soon, or it took very many). Whoever finds a record that may be the newer version of one that such a
--    transaction has, asks these locks. Records come with a fence, the last ticket when their position could be seen:
--    later tickets and leases can't have an older version.
-- 3. Where all ranges and the tail are locked by open transactions, records are taken out of their middle: "aside".
--    Each is locked, checked again, and noted in sequin._aside. The lock of _aside_key makes everybody tell meanwhile.
--
-- All of it works because READ COMMITTED gives each statement a new snapshot, and because a transaction's locks go
-- only after what it did can be seen.

CREATE FUNCTION sequin._taker_class(consumer_no int) RETURNS int
LANGUAGE sql IMMUTABLE
-- Far from what somebody who uses advisory locks would choose.
AS $$ SELECT consumer_no - 2147483648 $$;
COMMENT ON FUNCTION sequin._taker_class(int) IS
    'The first key of the advisory locks on tickets; the second is the ticket''s low 32 bits.';

CREATE FUNCTION sequin._amount_class(consumer_no int) RETURNS int
LANGUAGE sql IMMUTABLE
AS $$ SELECT -1073741824 + consumer_no % 536870912 $$;
COMMENT ON FUNCTION sequin._amount_class(int) IS
    'The first key of the advisory locks that say how many records a transaction takes; the second is the amount.';

CREATE FUNCTION sequin._aside_key(consumer_no int) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.hashint8extended(-1, consumer_no) $$;
COMMENT ON FUNCTION sequin._aside_key(int) IS
    'The advisory lock that transactions share which take records aside.';

CREATE FUNCTION sequin._immodest_key(consumer_no int) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.hashint8extended(-2, consumer_no) $$;
COMMENT ON FUNCTION sequin._immodest_key(int) IS
    'The advisory lock that transactions share which take a large part of max_ack_pending.';

CREATE FUNCTION sequin._modest_key(consumer_no int, place int) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.hashint8extended(-3 - place, consumer_no) $$;
COMMENT ON FUNCTION sequin._modest_key(int, int) IS
    'The advisory locks, one for each place, of transactions that take small parts of max_ack_pending.';

CREATE FUNCTION sequin._record_key(consumer_no int, id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.uuid_hash_extended(id, consumer_no) $$;
COMMENT ON FUNCTION sequin._record_key(int, uuid) IS
    'What stands for a record in leases, and the advisory lock of who has taken it and not committed.';

CREATE FUNCTION sequin._is_free(key bigint) RETURNS boolean
LANGUAGE sql VOLATILE
AS $$ SELECT CASE WHEN pg_catalog.pg_try_advisory_lock(key) THEN pg_catalog.pg_advisory_unlock(key) ELSE false END $$;
COMMENT ON FUNCTION sequin._is_free(bigint) IS 'Whether no other session holds the advisory lock.';

CREATE FUNCTION sequin._last_ticket() RETURNS bigint
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN (SELECT s.last_value FROM sequin._lease_id AS s);
END
$$;
COMMENT ON FUNCTION sequin._last_ticket() IS 'The last ticket, or lease id, that was drawn.';

CREATE FUNCTION sequin._enter(consumer_no int, tells boolean) RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    class CONSTANT int := sequin._taker_class(consumer_no);
    setting CONSTANT text := 'sequin_consume.entered_' || consumer_no;
    mark text;
    ticket int;
BEGIN
    IF sequin._in_transaction_block() THEN
        -- One ticket does for the whole transaction: an older one only makes others more careful.
        mark := current_setting(setting, true);
        IF mark = txid_current()::text OR (tells AND mark = txid_current() || ' tells') THEN
            RETURN true;
        END IF;
        mark := set_config(setting, txid_current() || CASE WHEN tells THEN ' tells' ELSE '' END, true);
    END IF;
    ticket := ((nextval('sequin._lease_id') & 4294967295)::bit(32))::int;
    -- Nobody else ever asks for this lock, so there is nothing to wait for.
    RETURN CASE WHEN tells THEN pg_try_advisory_xact_lock_shared(class, ticket)
                ELSE pg_try_advisory_xact_lock(class, ticket) END;
END
$$;
COMMENT ON FUNCTION sequin._enter(int, boolean) IS
    'Makes the transaction known as one that takes records for the consumer. tells: it locks each. '
    'False: it can''t be, which does not happen.';

CREATE FUNCTION sequin._other_takers(consumer_no int, fence bigint) RETURNS int
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN coalesce(max(CASE l.mode WHEN 'ShareLock' THEN 1 ELSE 2 END), 0)
    FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.objsubid = 2
      AND l.classid = (sequin._taker_class(consumer_no)::bigint & 4294967295)::oid
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND l.pid IS DISTINCT FROM pg_backend_pid()
      -- Not after the fence, where numbers wrap around.
      AND (fence IS NULL OR ((fence - l.objid::bigint) & 4294967295) < 2147483648);
END
$$;
COMMENT ON FUNCTION sequin._other_takers(int, bigint) IS
    'What other open transactions with a ticket up to "fence" (NULL: any) have taken for the consumer: 0 nothing, '
    '1 records that they hold locks on, 2 they don''t tell.';

CREATE FUNCTION sequin._amount_told() RETURNS int
LANGUAGE plpgsql
AS $$
DECLARE
    counted CONSTANT text[] := string_to_array(current_setting('sequin_consume.told', true), ':');
BEGIN
    RETURN CASE WHEN counted[1] = txid_current()::text THEN counted[2]::int ELSE 0 END;
END
$$;
COMMENT ON FUNCTION sequin._amount_told() IS 'How many records this transaction has locked, for whatever consumer.';

CREATE FUNCTION sequin._note_told(amount int) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_config('sequin_consume.told', txid_current() || ':' || sequin._amount_told() + amount, true);
END
$$;
COMMENT ON FUNCTION sequin._note_told(int) IS 'Adds to sequin._amount_told, until the transaction ends.';

CREATE FUNCTION sequin._may_tell(amount int) RETURNS boolean
LANGUAGE sql
AS $$
    SELECT sequin._amount_told() + amount <= 16 * pg_catalog.current_setting('max_locks_per_transaction')::int
$$;
COMMENT ON FUNCTION sequin._may_tell(int) IS
    'Whether the transaction may lock that many records more. Locks take shared memory, so that it may lock up to '
    '16 * max_locks_per_transaction.';

CREATE FUNCTION sequin._amount_taken(consumer_no int) RETURNS int
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(nullif(pg_catalog.current_setting('sequin_consume.amount_' || consumer_no, true), ''), '0')::int
$$;
COMMENT ON FUNCTION sequin._amount_taken(int) IS 'How many records this transaction has taken for the consumer.';

CREATE FUNCTION sequin._note_taken(consumer_no int, amount int) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_config('sequin_consume.amount_' || consumer_no, (sequin._amount_taken(consumer_no) + amount)::text, true);
END
$$;
COMMENT ON FUNCTION sequin._note_taken(int, int) IS 'Adds to sequin._amount_taken, until the transaction ends.';

CREATE FUNCTION sequin._admit(c sequin.consumers, room int, lease_floor bigint) RETURNS int
LANGUAGE plpgsql
AS $$
DECLARE
    -- With what earlier calls of this transaction took.
    total CONSTANT int := room + sequin._amount_taken(c.no);
    -- Who gets a place for each so many records, of eight there are, need not be asked how many it takes.
    modest CONSTANT int := greatest(c.max_ack_pending / 16, 1);
    needed CONSTANT int := (total + modest - 1) / modest;
    patience CONSTANT timestamptz := clock_timestamp() + interval '10 ms';
    places int := 0;
    placed boolean;
    vacant bigint;
    others bigint;
BEGIN
    -- First say how much, then look at the others. Whoever looks later sees this; whoever has ended has left leases.
    -- Nobody takes this lock but to share it.
    IF pg_try_advisory_xact_lock_shared(sequin._amount_class(c.no), total) AND needed <= 8 THEN
        FOR place IN 0..7 LOOP
            IF pg_try_advisory_xact_lock(sequin._modest_key(c.no, (pg_backend_pid() + place) % 8)) THEN
                places := places + 1;
                EXIT WHEN places = needed;
            END IF;
        END LOOP;
    END IF;
    placed := places = needed;
    IF NOT placed THEN
        PERFORM pg_advisory_xact_lock_shared(sequin._immodest_key(c.no));
    END IF;
    LOOP
        placed := placed AND sequin._is_free(sequin._immodest_key(c.no));
        IF NOT placed THEN
            SELECT coalesce(sum(o.amount), 0) INTO others
            FROM (SELECT max(l.objid::bigint) AS amount
                  FROM pg_locks AS l
                  WHERE l.locktype = 'advisory' AND l.objsubid = 2
                    AND l.classid = (sequin._amount_class(c.no)::bigint & 4294967295)::oid
                    AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
                    AND l.pid IS DISTINCT FROM pg_backend_pid()
                  -- Each call of a transaction has said how much it may be by then.
                  GROUP BY l.pid) AS o;
        END IF;
        SELECT c.max_ack_pending - coalesce(sum(l.live), 0), CASE WHEN placed THEN (8 - needed) * modest ELSE others END
        INTO vacant, others
        FROM sequin._leases AS l
        WHERE l.consumer_no = c.no AND l.id >= lease_floor;
        EXIT WHEN vacant >= room + others OR vacant <= 0;
        IF placed THEN
            placed := false;
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
