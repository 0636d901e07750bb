CREATE FUNCTION sequin._check_pull(batch_size int, wait_for interval) RETURNS void
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF batch_size IS NULL OR batch_size < 1 OR batch_size > 10000 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'batch_size must be between 1 and 10000',
            DETAIL = format('batch_size is %s.', coalesce(batch_size::text, 'NULL')),
            HINT = 'Ask for up to 10000 records, and call again for more.';
    ELSIF wait_for IS NULL OR wait_for < interval '0' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'wait_for must not be negative',
            DETAIL = format('wait_for is %s.', coalesce(wait_for::text, 'NULL')),
            HINT = 'Pass an interval such as ''20 s'', or ''0'' to get what is there.';
    ELSIF wait_for > interval '0'
          AND current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE feature_not_supported USING
            MESSAGE = 'wait_for needs READ COMMITTED',
            DETAIL = format('wait_for is %s, and the transaction is %s, where nothing new can be seen.',
                            wait_for, upper(current_setting('transaction_isolation'))),
            HINT = 'Leave wait_for out, or begin the transaction with ISOLATION LEVEL READ COMMITTED.';
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._check_pull(int, interval) IS
    'Raises invalid_parameter_value or feature_not_supported for what sequin.consume and sequin.fetch can''t do.';

CREATE FUNCTION sequin._check_mode(c sequin.consumers, mode text) RETURNS void
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF c.mode <> mode THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = pg_catalog.format('consumer %L has mode %s', c.name, c.mode),
            DETAIL = pg_catalog.format('Its records are taken with sequin.%s.',
                                       CASE c.mode WHEN 'batch' THEN 'fetch' ELSE 'consume' END),
            HINT = pg_catalog.format('Call that one, or create another consumer with mode => %L.', mode);
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._check_mode(sequin.consumers, text) IS
    'Raises object_not_in_prerequisite_state unless the consumer has the mode.';

CREATE FUNCTION sequin._consume(consumer text, batch_size int, wait_for interval)
RETURNS TABLE (ack_token text, record jsonb, updated_idx bigint, deliver_count int)
LANGUAGE plpgsql
-- The plans are kept, and have to suit tables that grow from nothing.
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    look record;
    c sequin.consumers;
    give_up timestamptz := clock_timestamp() + wait_for;
    pause interval;
    seen_to bigint := 0;
    worth_it boolean;
    is_last boolean;
    fruitless int := 0;
    has_waited boolean := false;
BEGIN
    PERFORM sequin._check_pull(batch_size, wait_for);
    LOOP
        is_last := wait_for = interval '0' OR clock_timestamp() >= give_up;
        IF is_last AND has_waited THEN
            PERFORM sequin._stop_waiting();
        END IF;
        SELECT found_consumer AS consumer, tail, leases.*,
               (SELECT r.due FROM sequin._retries AS r
                WHERE r.consumer_no = found_consumer.no AND r.lease_id IS NULL
                ORDER BY r.due LIMIT 1) AS due,
               EXISTS (SELECT FROM sequin._retries AS r
                       WHERE r.consumer_no = found_consumer.no AND r.lease_id IS NOT NULL) AS has_waiting,
               EXISTS (SELECT FROM sequin._consumer_ranges AS g
                       WHERE g.consumer_no = found_consumer.no AND g.hi > tail.range_floor) AS has_ranges,
               EXISTS (SELECT FROM sequin.records AS r
                       WHERE r.stream_id = found_consumer.stream_id AND r.updated_idx > tail.lo) AS has_more
        INTO look
        FROM sequin.consumers AS found_consumer
        JOIN sequin._consumer_tails AS tail ON tail.consumer_no = found_consumer.no
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(l.live), 0) AS in_flight, min(l.deadline) AS expiry,
                   min(l.id) AS oldest
            FROM sequin._leases AS l
            WHERE l.consumer_no = found_consumer.no AND l.id >= tail.lease_floor) AS leases
        WHERE found_consumer.name = consumer;
        IF NOT FOUND THEN
            PERFORM sequin._check_mode(sequin._find_consumer(consumer), 'queue');
        END IF;
        c := look.consumer;
        IF look.has_waiting THEN
            look.due := least(look.due, (
                SELECT min(r.due) FROM sequin._retries AS r
                WHERE r.consumer_no = c.no AND r.lease_id IS NOT NULL
                  AND r.record_key NOT IN (SELECT key FROM sequin._leases AS l, unnest(l.keys) AS key
                                           WHERE l.consumer_no = c.no AND l.id >= (look.tail).lease_floor
                                             AND key IS NOT NULL)));
        END IF;
        worth_it := look.due <= clock_timestamp() OR look.has_ranges;
        IF worth_it IS NOT TRUE AND look.has_more THEN
            worth_it := true;
            IF c.filter <> '{}' THEN
                SELECT n.after, n.found_match INTO seen_to, worth_it
                FROM sequin._next_match(c, sequin._filter_syncs(c.syncs), greatest(seen_to, (look.tail).lo)) AS n;
                -- To look at the same many again with the next call would be a pity.
                worth_it := worth_it OR (is_last AND seen_to > (look.tail).lo + 4096);
            END IF;
        END IF;
        worth_it := NOT c.paused
            AND (look.expiry <= clock_timestamp() OR (worth_it AND look.in_flight < c.max_ack_pending)) IS TRUE;
        IF worth_it AND is_last THEN
            RETURN QUERY
            SELECT * FROM sequin._take(c, look.tail, batch_size, look.oldest,
                                       look.due <= clock_timestamp(), look.expiry <= clock_timestamp());
            RETURN;
        ELSIF worth_it THEN
            -- Nothing must be locked during the wait.
            BEGIN
                RETURN QUERY
                SELECT * FROM sequin._take(c, look.tail, batch_size, look.oldest,
                                           look.due <= clock_timestamp(), look.expiry <= clock_timestamp());
                IF FOUND THEN
                    PERFORM sequin._stop_waiting();
                    RETURN;
                END IF;
                fruitless := fruitless + 1;
                RAISE SQLSTATE 'SQ000';
            EXCEPTION WHEN SQLSTATE 'SQ000' THEN
                NULL;
            END;
        ELSE
            fruitless := 0;
        END IF;
        EXIT WHEN is_last;

        pause := least(
            give_up - clock_timestamp(),
            -- What was there could not be had.
            CASE WHEN worth_it THEN interval '2 ms' * least(power(2, least(fruitless, 6)), 50) END,
            -- Other sessions' acks don't wake this one, nor do leases that are not committed yet.
            CASE WHEN look.in_flight >= c.max_ack_pending OR look.due IS NOT NULL THEN interval '50 ms' END,
            CASE WHEN look.expiry > clock_timestamp() THEN look.expiry - clock_timestamp() END,
            CASE WHEN look.due > clock_timestamp() THEN look.due - clock_timestamp() END,
            interval '1 min');
        has_waited := true;
        PERFORM sequin._wait_for_change(c.stream_id, ceil(1000 * extract(epoch FROM pause))::int);
    END LOOP;
END
$$;
COMMENT ON FUNCTION sequin._consume(text, int, interval) IS 'sequin.consume, whatever the case.';

CREATE FUNCTION sequin.consume(consumer text, batch_size int DEFAULT 1, wait_for interval DEFAULT '0',
                               ack text[] DEFAULT NULL)
RETURNS TABLE (ack_token text, record jsonb, updated_idx bigint, deliver_count int)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sequin_consume';
COMMENT ON FUNCTION sequin.consume(text, int, interval, text[]) IS
    'Takes up to batch_size records (1 to 10000) that the consumer has not seen in this version, oldest first, and '
    'those due again. Each is in flight until it is acknowledged (sequin.ack), given back (sequin.nack) or its ack_wait '
    'is over, and its ack_token is of this delivery only; deliver_count counts the deliveries of this version. '
    'wait_for: how long to wait until there is anything; READ COMMITTED only. ack: tokens that are acknowledged first, as '
    'sequin.ack does; with any there is no waiting, so that they are not held back. A call passes over at most some million '
    'records that the filter leaves out and may then return none. It all happens in the caller''s transaction. '
    'Raises undefined_object for an unknown consumer, invalid_parameter_value for a bad batch_size or wait_for, '
    'feature_not_supported for waiting in REPEATABLE READ or above, object_not_in_prerequisite_state for a consumer '
    'whose mode is batch.';
