-- A token is "<lease>-<position>". A lease's id is drawn for each delivery and never again, so a token lives as long as
-- its position is in its lease and no other delivery answers to it.

CREATE FUNCTION sequin._check_tokens(tokens text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    bad text;
BEGIN
    IF tokens IS NULL OR pg_catalog.array_position(tokens, NULL) IS NOT NULL THEN
        RAISE null_value_not_allowed USING
            MESSAGE = 'ack_tokens must not be NULL',
            DETAIL = CASE WHEN tokens IS NULL THEN 'ack_tokens is NULL.' ELSE 'One of the tokens is NULL.' END,
            HINT = 'Pass the ack_token of each record that sequin.consume returned, as an array.';
    ELSIF pg_catalog.cardinality(tokens) > 100000 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'too many ack_tokens',
            DETAIL = pg_catalog.format('There are %s tokens; a call takes at most 100000.',
                                       pg_catalog.cardinality(tokens)),
            HINT = 'Pass them in several calls.';
    END IF;
    SELECT token INTO bad FROM pg_catalog.unnest(tokens) AS token
    WHERE token !~ '^[0-9]{1,18}-[0-9]{1,18}$' LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'malformed ack_token',
            DETAIL = pg_catalog.format('One of the tokens is %s.', pg_catalog.left(bad, 100)),
            HINT = 'Pass the ack_token of each record that sequin.consume returned, as it is.';
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._check_tokens(text[]) IS
    'Raises null_value_not_allowed for NULL or a NULL in it, invalid_parameter_value for more than 100000 tokens or a malformed one.';

CREATE FUNCTION sequin._read_tokens(tokens text[]) RETURNS TABLE (lease_id bigint, positions bigint[])
LANGUAGE sql IMMUTABLE
AS $$
    SELECT pg_catalog.split_part(token, '-', 1)::bigint AS lease_id,
           pg_catalog.array_agg(DISTINCT pg_catalog.split_part(token, '-', 2)::bigint)
    FROM pg_catalog.unnest(tokens) AS token
    GROUP BY 1
    -- Whoever locks several leases locks them in this order.
    ORDER BY 1
$$;
COMMENT ON FUNCTION sequin._read_tokens(text[]) IS
    'The leases that the tokens name and the positions in each, ascending.';

CREATE FUNCTION sequin._live_elements(lease sequin._leases, named bigint[]) RETURNS int[]
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN array_agg(k)
    FROM unnest(lease.positions) WITH ORDINALITY AS element (position, k)
    JOIN unnest(named) AS position USING (position)
    WHERE coalesce(lease.deadlines[k], lease.deadline) > clock_timestamp();
END
$$;
COMMENT ON FUNCTION sequin._live_elements(sequin._leases, bigint[]) IS
    'Where in the lease those of the positions are that are neither settled nor expired; NULL: none.';

CREATE FUNCTION sequin._strike(lease sequin._leases, elements int[]) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_catalog.cardinality(elements) = lease.live THEN
        DELETE FROM sequin._leases AS l
        WHERE l.consumer_no = lease.consumer_no AND l.id = lease.id;
        RETURN;
    END IF;
    UPDATE sequin._leases AS l
    SET live = lease.live - pg_catalog.cardinality(elements),
        (positions, keys, deadline) = (
            SELECT pg_catalog.array_agg(CASE WHEN struck THEN NULL ELSE lease.positions[k] END ORDER BY k),
                   pg_catalog.array_agg(CASE WHEN struck THEN NULL ELSE lease.keys[k] END ORDER BY k),
                   coalesce(pg_catalog.min(lease.deadlines[k])
                            FILTER (WHERE NOT struck AND lease.positions[k] IS NOT NULL), lease.deadline)
            FROM (SELECT k, e IS NOT NULL AS struck
                  FROM pg_catalog.generate_subscripts(lease.positions, 1) AS k
                  LEFT JOIN pg_catalog.unnest(elements) AS e ON e = k) AS element
        )
    WHERE l.consumer_no = lease.consumer_no AND l.id = lease.id;
END
$$;
COMMENT ON FUNCTION sequin._strike(sequin._leases, int[]) IS
    'Takes live elements out of a lease that the caller has locked.';

CREATE FUNCTION sequin._give_back(c sequin.consumers, lease sequin._leases, elements int[], due timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH given AS (
        SELECT lease.positions[k] AS position, coalesce(lease.counts[k], 1) AS deliver_count
        FROM unnest(elements) AS k
        -- A version that was superseded in flight is delivered at its new position.
        WHERE EXISTS (SELECT FROM sequin.records AS r
                      WHERE r.stream_id = c.stream_id AND r.updated_idx = lease.positions[k])
          AND (lease.again_from IS NULL OR lease.positions[k] < lease.again_from)
    ), burial AS (
        INSERT INTO sequin._dead_letters (consumer_no, position, deliver_count)
        SELECT c.no, position, deliver_count FROM given WHERE deliver_count >= c.max_deliver
        ON CONFLICT (consumer_no, position) DO UPDATE SET deliver_count = excluded.deliver_count, dead_at = now()
    )
    INSERT INTO sequin._retries (consumer_no, due, position, deliver_count)
    SELECT c.no, due, position, deliver_count FROM given
    WHERE c.max_deliver IS NULL OR deliver_count < c.max_deliver
    ORDER BY position;
    PERFORM sequin._strike(lease, elements);
END
$$;
COMMENT ON FUNCTION sequin._give_back(sequin.consumers, sequin._leases, int[], timestamptz) IS
    'Ends deliveries without success: each is due again at "due", or dead if it was the last one allowed.';

CREATE FUNCTION sequin._sweep(c sequin.consumers, floor bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lease sequin._leases;
    expired int[];
    amount int := 0;
BEGIN
    FOR lease IN
        SELECT * FROM sequin._leases AS l
        WHERE l.consumer_no = c.no AND l.id >= floor AND l.deadline <= clock_timestamp()
        ORDER BY l.id
        FOR UPDATE SKIP LOCKED
        LIMIT 1000
    LOOP
        SELECT array_agg(k) INTO expired
        FROM generate_subscripts(lease.positions, 1) AS k
        WHERE lease.positions[k] IS NOT NULL
          AND coalesce(lease.deadlines[k], lease.deadline) <= clock_timestamp();
        CONTINUE WHEN expired IS NULL;
        PERFORM sequin._give_back(c, lease, expired, clock_timestamp());
        amount := amount + cardinality(expired);
        EXIT WHEN amount >= 10000;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sequin._sweep(sequin.consumers, bigint) IS
    'Gives back what has expired, some ten thousand deliveries a call at most.';

CREATE FUNCTION sequin._ack(consumer text, ack_tokens text[]) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
    c sequin.consumers := sequin._find_consumer(consumer);
    given record;
    lease sequin._leases;
    elements int[];
    amount bigint := 0;
BEGIN
    PERFORM sequin._check_tokens(ack_tokens);
    FOR given IN SELECT * FROM sequin._read_tokens(ack_tokens) LOOP
        SELECT * INTO lease FROM sequin._leases AS l
        WHERE l.consumer_no = c.no AND l.id = given.lease_id
        FOR UPDATE;
        CONTINUE WHEN NOT FOUND;
        elements := sequin._live_elements(lease, given.positions);
        CONTINUE WHEN elements IS NULL;
        PERFORM sequin._strike(lease, elements);
        amount := amount + cardinality(elements);
    END LOOP;
    IF amount > 0 AND EXISTS (SELECT FROM sequin._retries AS r
                              WHERE r.consumer_no = c.no AND r.lease_id IS NOT NULL) THEN
        PERFORM sequin._announce_change(c.stream_id);
    END IF;
    RETURN amount;
END
$$;
COMMENT ON FUNCTION sequin._ack(text, text[]) IS 'sequin.ack, whatever the case.';

CREATE FUNCTION sequin.ack(consumer text, ack_tokens text[]) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'sequin_ack';
COMMENT ON FUNCTION sequin.ack(text, text[]) IS
    'Ends deliveries with success. consumer: its name; ack_tokens: tokens from sequin.consume, at most 100000. '
    'Returns how many were live: tokens that are settled, expired or another consumer''s count nothing. '
    'Raises undefined_object for an unknown consumer, null_value_not_allowed for a NULL array, '
    'invalid_parameter_value for too many tokens or a malformed one.';

CREATE FUNCTION sequin._nack(consumer text, ack_tokens text[], delay interval) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c sequin.consumers := sequin._find_consumer(consumer);
    given record;
    lease sequin._leases;
    elements int[];
    amount bigint := 0;
BEGIN
    PERFORM sequin._check_tokens(ack_tokens);
    IF delay IS NULL OR delay < interval '0' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'delay must not be negative',
            DETAIL = format('delay is %s.', coalesce(delay::text, 'NULL')),
            HINT = 'Pass an interval such as ''10 s'', or ''0'' for delivery at once.';
    END IF;
    FOR given IN SELECT * FROM sequin._read_tokens(ack_tokens) LOOP
        SELECT * INTO lease FROM sequin._leases AS l
        WHERE l.consumer_no = c.no AND l.id = given.lease_id
        FOR UPDATE;
        CONTINUE WHEN NOT FOUND;
        elements := sequin._live_elements(lease, given.positions);
        CONTINUE WHEN elements IS NULL;
        PERFORM sequin._give_back(c, lease, elements, clock_timestamp() + delay);
        amount := amount + cardinality(elements);
    END LOOP;
    IF amount > 0 THEN
        PERFORM sequin._announce_change(c.stream_id);
    END IF;
    RETURN amount;
END
$$;
COMMENT ON FUNCTION sequin._nack(text, text[], interval) IS 'sequin.nack, once the caller is known to have the consumer.';

CREATE FUNCTION sequin.nack(consumer text, ack_tokens text[], delay interval DEFAULT '0') RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'sequin_nack';
COMMENT ON FUNCTION sequin.nack(text, text[], interval) IS
    'Ends deliveries without success: the records are delivered again, in their latest version, once "delay" is over; '
    'after max_deliver deliveries they are set aside in sequin.dead_letters. Returns how many tokens were live. '
    'Errors as sequin.ack, and invalid_parameter_value for a negative delay.';

CREATE FUNCTION sequin._extend(consumer text, ack_tokens text[], ack_wait interval) RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c sequin.consumers := sequin._find_consumer(consumer);
    given record;
    lease sequin._leases;
    elements int[];
    amount bigint := 0;
    new_deadline timestamptz;
    new_deadlines timestamptz[];
BEGIN
    PERFORM sequin._check_tokens(ack_tokens);
    PERFORM sequin._check_ack_wait(ack_wait);
    FOR given IN SELECT * FROM sequin._read_tokens(ack_tokens) LOOP
        SELECT * INTO lease FROM sequin._leases AS l
        WHERE l.consumer_no = c.no AND l.id = given.lease_id
        FOR UPDATE;
        CONTINUE WHEN NOT FOUND;
        elements := sequin._live_elements(lease, given.positions);
        CONTINUE WHEN elements IS NULL;
        new_deadline := clock_timestamp() + ack_wait;
        new_deadlines := NULL;
        IF cardinality(elements) < lease.live THEN
            SELECT array_agg(d ORDER BY k), min(d) FILTER (WHERE lease.positions[k] IS NOT NULL)
            INTO new_deadlines, new_deadline
            FROM (SELECT k, CASE WHEN e IS NOT NULL THEN clock_timestamp() + ack_wait
                                 ELSE coalesce(lease.deadlines[k], lease.deadline) END AS d
                  FROM generate_subscripts(lease.positions, 1) AS k
                  LEFT JOIN unnest(elements) AS e ON e = k) AS element;
        END IF;
        UPDATE sequin._leases AS l
        SET deadline = new_deadline, deadlines = new_deadlines
        WHERE l.consumer_no = lease.consumer_no AND l.id = lease.id;
        amount := amount + cardinality(elements);
    END LOOP;
    RETURN amount;
END
$$;
COMMENT ON FUNCTION sequin._extend(text, text[], interval) IS
    'sequin.extend, once the caller is known to have the consumer.';

CREATE FUNCTION sequin.extend(consumer text, ack_tokens text[], ack_wait interval) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'sequin_extend';
COMMENT ON FUNCTION sequin.extend(text, text[], interval) IS
    'Gives deliveries more time: they expire "ack_wait" from now, whatever was left. Returns how many tokens were '
    'live. Errors as sequin.ack, and invalid_parameter_value for an ack_wait that is not positive.';
