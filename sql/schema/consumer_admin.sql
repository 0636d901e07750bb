CREATE FUNCTION sequin._check_ack_wait(ack_wait interval) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF ack_wait IS NULL OR ack_wait <= interval '0' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'ack_wait must be positive',
            DETAIL = format('ack_wait is %s.', coalesce(ack_wait::text, 'NULL')),
            HINT = 'Pass an interval such as ''30 s''.';
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._check_ack_wait(interval) IS 'Raises invalid_parameter_value unless the interval is positive.';

CREATE FUNCTION sequin._check_consumer(c sequin.consumers) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sequin._check_name('consumer', c.name);
    PERFORM sequin._check_ack_wait(c.ack_wait);
    IF c.max_deliver < 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'max_deliver must be at least 1',
            DETAIL = format('max_deliver is %s.', c.max_deliver),
            HINT = 'Pass how often a version may be delivered; NULL at creation, or -1, for no limit.';
    ELSIF c.max_ack_pending IS NULL OR c.max_ack_pending < 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'max_ack_pending must be at least 1',
            DETAIL = format('max_ack_pending is %s.', coalesce(c.max_ack_pending::text, 'NULL')),
            HINT = 'Pass how many records may be in flight at a time.';
    ELSIF c.mode IS DISTINCT FROM 'queue' AND c.mode IS DISTINCT FROM 'batch' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'bad mode',
            DETAIL = format('mode is %s.', coalesce(quote_literal(c.mode), 'NULL')),
            HINT = 'It is queue, for sequin.consume, or batch, for sequin.fetch.';
    ELSIF c.mode = 'batch' AND c.max_deliver IS NOT NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'max_deliver is for consumers whose mode is queue',
            DETAIL = format('mode is batch, and max_deliver is %s.', c.max_deliver),
            HINT = 'Leave max_deliver out, or make the consumer with mode => ''queue''.';
    ELSIF c.notify <= interval '0' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'notify must be positive',
            DETAIL = format('notify is %s.', c.notify),
            HINT = 'Pass the time in which there is at most one notification, such as ''1 s''; NULL for none.';
    ELSIF c.notify IS NOT NULL AND octet_length('sequin:' || c.name) > 63 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'the name is too long for a channel of notifications',
            DETAIL = format('The channel would be %s, of %s bytes; 63 are allowed.', quote_ident('sequin:' || c.name),
                            octet_length('sequin:' || c.name)),
            HINT = 'Choose a name of at most 56 bytes, or leave notify out.';
    ELSIF c.metadata IS NULL THEN
        RAISE null_value_not_allowed USING
            MESSAGE = 'metadata must not be NULL',
            DETAIL = 'metadata is NULL.',
            HINT = 'Leave it out, or pass a JSON object.';
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._check_consumer(sequin.consumers) IS
    'Raises invalid_parameter_value or null_value_not_allowed for a setting that makes no sense.';

CREATE FUNCTION sequin._filter_names(filter jsonb, key text) RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE jsonb_typeof(filter -> key)
        WHEN 'string' THEN ARRAY[filter ->> key]
        WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(filter -> key))
    END
$$;
COMMENT ON FUNCTION sequin._filter_names(jsonb, text) IS 'What a key of a filter names; NULL: the filter has no such key.';

CREATE FUNCTION sequin._check_filter(filter jsonb, stream_id uuid) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    valid_keys CONSTANT text :=
        'Valid keys are "provider", "sync" and "collection_id", each with a string or an array of strings.';
    entry record;
    named text;
    known text;
BEGIN
    IF filter IS NULL OR jsonb_typeof(filter) <> 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'filter must be a JSON object',
            DETAIL = format('filter is %s.', coalesce(filter::text, 'NULL')),
            HINT = valid_keys || ' {} lets everything pass.';
    END IF;
    FOR entry IN SELECT * FROM jsonb_each(filter) LOOP
        IF entry.key NOT IN ('provider', 'sync', 'collection_id') THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('filter has an unknown key %s', to_json(entry.key)),
                DETAIL = format('filter is %s.', filter),
                HINT = valid_keys;
        END IF;
        IF NOT (CASE jsonb_typeof(entry.value)
                   WHEN 'string' THEN true
                   WHEN 'array' THEN entry.value <> '[]'
                       AND NOT EXISTS (SELECT FROM jsonb_array_elements(entry.value) AS element
                                       WHERE jsonb_typeof(element) <> 'string')
                   ELSE false
               END) THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('filter key %s must be a string or a non-empty array of strings', to_json(entry.key)),
                DETAIL = format('%s is %s.', to_json(entry.key), entry.value),
                HINT = valid_keys;
        END IF;
    END LOOP;
    FOREACH named IN ARRAY coalesce(sequin._filter_names(filter, 'sync'), '{}') LOOP
        IF NOT EXISTS (SELECT FROM sequin.syncs AS s WHERE s.name = named AND s.stream_id = stream_id) THEN
            SELECT string_agg(quote_literal(n.name), ', ') INTO known
            FROM (SELECT s.name FROM sequin.syncs AS s WHERE s.stream_id = stream_id
                  ORDER BY starts_with(lower(s.name), left(lower(named), 3)) DESC, s.name LIMIT 5) AS n;
            RAISE undefined_object USING
                MESSAGE = format('filter names a sync that the stream does not have: %s', quote_literal(named)),
                DETAIL = format('filter is %s.', filter),
                HINT = coalesce('The stream has: ' || known || '.', 'The stream has no sync yet; create it first.');
        END IF;
    END LOOP;
    FOREACH named IN ARRAY coalesce(sequin._filter_names(filter, 'provider'), '{}') LOOP
        IF named !~ '^[a-z][a-z0-9_-]*$' THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('%s is not the name of a provider', quote_literal(named)),
                DETAIL = format('filter is %s.', filter),
                HINT = 'Providers have names such as stripe: lower-case letters, digits, "_" and "-".';
        END IF;
    END LOOP;
    FOREACH named IN ARRAY coalesce(sequin._filter_names(filter, 'collection_id'), '{}') LOOP
        IF named !~ '^[a-z][a-z0-9_-]*:.' THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('%s is not the id of a collection', quote_literal(named)),
                DETAIL = format('filter is %s.', filter),
                HINT = 'Collections are named provider:name, such as stripe:customer.';
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sequin._check_filter(jsonb, uuid) IS
    'Raises invalid_parameter_value for a filter that is malformed, undefined_object for a sync the stream lacks.';

CREATE FUNCTION sequin._position_since(stream_id uuid, since timestamptz) RETURNS bigint
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(
        (SELECT pg_catalog.min(r.updated_idx) FROM sequin.records AS r
         WHERE r.stream_id OPERATOR(pg_catalog.=) $1 AND r.observed_at OPERATOR(pg_catalog.>=) $2),
        (SELECT pg_catalog.max(r.updated_idx) FROM sequin.records AS r
         WHERE r.stream_id OPERATOR(pg_catalog.=) $1) OPERATOR(pg_catalog.+) 1,
        1)
$$;
COMMENT ON FUNCTION sequin._position_since(uuid, timestamptz) IS
    'The first position of what was observed at that time or later; past the end of the stream if there is nothing.';

CREATE FUNCTION sequin.create_consumer(
    name text, stream text, filter jsonb DEFAULT '{}', deliver_policy text DEFAULT 'all',
    ack_wait interval DEFAULT '30 s', max_deliver int DEFAULT NULL, max_ack_pending int DEFAULT 1000,
    metadata jsonb DEFAULT '{}', mode text DEFAULT 'queue', notify interval DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    c sequin.consumers;
    others text;
    age interval;
    start bigint;
BEGIN
    SELECT s.id INTO c.stream_id FROM sequin.streams AS s WHERE s.name = stream;
    IF NOT FOUND THEN
        SELECT string_agg(quote_literal(n.name), ', ') INTO others
        FROM (SELECT s.name FROM sequin.streams AS s
              ORDER BY starts_with(lower(s.name), left(lower(stream), 3)) DESC NULLS LAST, s.name LIMIT 5) AS n;
        RAISE undefined_object USING
            MESSAGE = format('stream %s does not exist', coalesce(quote_literal(stream), 'NULL')),
            DETAIL = format('stream is %s.', coalesce(quote_literal(stream), 'NULL')),
            HINT = coalesce('There are: ' || others || '. ', '') || 'SELECT sequin.create_stream(name) creates one.';
    END IF;
    PERFORM sequin._check_filter(filter, c.stream_id);
    c.name := name;
    c.filter := filter;
    c.providers := sequin._filter_names(filter, 'provider');
    c.syncs := sequin._filter_names(filter, 'sync');
    c.collection_ids := sequin._filter_names(filter, 'collection_id');
    c.deliver_policy := deliver_policy;
    c.ack_wait := ack_wait;
    c.max_deliver := nullif(max_deliver, -1);
    c.max_ack_pending := max_ack_pending;
    c.metadata := metadata;
    c.mode := mode;
    c.notify := notify;
    PERFORM sequin._check_consumer(c);

    CASE deliver_policy
        WHEN 'all' THEN
            start := 1;
        WHEN 'new' THEN
            SELECT max(r.updated_idx) + 1 INTO start FROM sequin.records AS r WHERE r.stream_id = c.stream_id;
        WHEN 'last' THEN
            SELECT r.updated_idx INTO start FROM sequin.records AS r
            WHERE r.stream_id = c.stream_id
              AND sequin._matches(c.providers, sequin._filter_syncs(c.syncs), c.collection_ids, r)
            ORDER BY r.updated_idx DESC LIMIT 1;
        ELSE
            BEGIN
                age := deliver_policy::interval;
            EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR interval_field_overflow THEN
                NULL;
            END;
            IF age IS NULL OR age <= interval '0' THEN
                RAISE invalid_parameter_value USING
                    MESSAGE = 'bad deliver_policy',
                    DETAIL = format('deliver_policy is %s.', coalesce(quote_literal(deliver_policy), 'NULL')),
                    HINT = 'It is all, new, last, or a positive interval such as 1h: what was observed since then.';
            END IF;
            start := sequin._position_since(c.stream_id, now() - age);
    END CASE;

    INSERT INTO sequin.consumers (name, stream_id, filter, providers, syncs, collection_ids, deliver_policy, ack_wait,
                                  max_deliver, max_ack_pending, metadata, mode, notify)
    VALUES (c.name, c.stream_id, c.filter, c.providers, c.syncs, c.collection_ids, c.deliver_policy, c.ack_wait,
            c.max_deliver, c.max_ack_pending, c.metadata, c.mode, c.notify)
    ON CONFLICT ON CONSTRAINT consumers_name_key DO NOTHING
    RETURNING id, no INTO c.id, c.no;
    IF NOT FOUND THEN
        RAISE duplicate_object USING
            MESSAGE = format('consumer %s exists already', quote_literal(name)),
            DETAIL = format('name is %s.', quote_literal(name)),
            HINT = 'Choose another name, or change it with sequin.update_consumer.';
    END IF;
    IF mode = 'queue' THEN
        INSERT INTO sequin._consumer_tails (consumer_no, lo) VALUES (c.no, coalesce(start, 1) - 1);
    ELSE
        INSERT INTO sequin._consumer_cursors (consumer_no, position) VALUES (c.no, coalesce(start, 1) - 1);
    END IF;
    IF notify IS NOT NULL THEN
        PERFORM sequin._announce_work();
    END IF;
    RETURN c.id;
END
$$;
COMMENT ON FUNCTION sequin.create_consumer(text, text, jsonb, text, interval, int, int, jsonb, text, interval) IS
    'Creates a consumer of a stream and returns its id. filter: {"provider", "sync", "collection_id"}, a string or an '
    'array each; all must match. deliver_policy: all, new (what changes from now on), last (from the last matching '
    'record on) or an interval (from what was observed in that time on). ack_wait: how long a delivery lives. '
    'max_deliver: after so many deliveries a version goes to sequin.dead_letters; NULL or -1: never. max_ack_pending: '
    'how many records can be in flight. mode: queue, for sequin.consume, or batch, for sequin.fetch, to which ack_wait '
    'and max_ack_pending mean nothing. notify: when there is something to take, the worker notifies the channel '
    '"sequin:" and the name, at most once in this time; NULL: never. Raises undefined_object for an unknown stream or sync, duplicate_object for a '
    'name that is taken, invalid_parameter_value for anything else.';

CREATE FUNCTION sequin.update_consumer(
    name text, filter jsonb DEFAULT NULL, ack_wait interval DEFAULT NULL, max_deliver int DEFAULT NULL,
    max_ack_pending int DEFAULT NULL, metadata jsonb DEFAULT NULL, notify interval DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    c sequin.consumers := sequin._find_consumer(name);
BEGIN
    IF filter IS NOT NULL THEN
        PERFORM sequin._check_filter(filter, c.stream_id);
        c.filter := filter;
    END IF;
    c.ack_wait := coalesce(ack_wait, c.ack_wait);
    c.max_deliver := nullif(coalesce(max_deliver, c.max_deliver), -1);
    c.max_ack_pending := coalesce(max_ack_pending, c.max_ack_pending);
    c.metadata := coalesce(metadata, c.metadata);
    c.notify := nullif(coalesce(notify, c.notify), interval '0');
    PERFORM sequin._check_consumer(c);
    UPDATE sequin.consumers AS u
    SET filter = c.filter,
        providers = sequin._filter_names(c.filter, 'provider'),
        syncs = sequin._filter_names(c.filter, 'sync'),
        collection_ids = sequin._filter_names(c.filter, 'collection_id'),
        ack_wait = c.ack_wait, max_deliver = c.max_deliver, max_ack_pending = c.max_ack_pending,
        metadata = c.metadata, notify = c.notify, updated_at = clock_timestamp()
    WHERE u.no = c.no;
    PERFORM sequin._announce_change(c.stream_id);
    PERFORM sequin._announce_work();
END
$$;
COMMENT ON FUNCTION sequin.update_consumer(text, jsonb, interval, int, int, jsonb, interval) IS
    'Changes what is not NULL; max_deliver -1: no limit; notify 0: no more notifications. The filter decides on what is delivered from now on; what the '
    'consumer has passed over does not come back (see sequin.replay), and ack_wait counts for deliveries to come. '
    'Errors as sequin.create_consumer.';

CREATE FUNCTION sequin._set_paused(consumer text, pausing boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c sequin.consumers := sequin._find_consumer(consumer);
BEGIN
    UPDATE sequin.consumers AS u SET paused = pausing, updated_at = now()
    WHERE u.no = c.no AND u.paused <> pausing;
    PERFORM sequin._announce_change(c.stream_id);
END
$$;
COMMENT ON FUNCTION sequin._set_paused(text, boolean) IS 'Pauses or resumes a consumer. Raises undefined_object.';

CREATE FUNCTION sequin.pause_consumer(name text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sequin._set_paused(name, true) $$;
COMMENT ON FUNCTION sequin.pause_consumer(text) IS
    'From now on sequin.consume finds nothing; what is in flight can be acknowledged. Raises undefined_object for an '
    'unknown consumer.';

CREATE FUNCTION sequin.resume_consumer(name text) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sequin._set_paused(name, false) $$;
COMMENT ON FUNCTION sequin.resume_consumer(text) IS
    'Ends sequin.pause_consumer. Raises undefined_object for an unknown consumer.';

CREATE FUNCTION sequin.delete_consumer(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c sequin.consumers := sequin._find_consumer(name);
BEGIN
    DELETE FROM sequin.consumers AS d WHERE d.no = c.no;
END
$$;
COMMENT ON FUNCTION sequin.delete_consumer(text) IS
    'Deletes a consumer, what it has in flight and its dead letters; the records stay. Waits for open transactions '
    'that have consumed. Raises undefined_object for an unknown consumer.';

CREATE FUNCTION sequin.replay(consumer text, from_idx bigint DEFAULT 0, since timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c sequin.consumers := sequin._find_consumer(consumer);
    before bigint := from_idx - 1;
BEGIN
    IF from_idx IS NULL OR from_idx < 0 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'from_idx must not be negative',
            DETAIL = format('from_idx is %s.', coalesce(from_idx::text, 'NULL')),
            HINT = 'Pass the updated_idx of the first record to deliver again, or 0 for the whole stream.';
    ELSIF since IS NOT NULL THEN
        IF from_idx <> 0 THEN
            RAISE invalid_parameter_value USING
                MESSAGE = 'from_idx and since exclude each other',
                DETAIL = format('from_idx is %s, since is %s.', from_idx, since),
                HINT = 'Pass one of them.';
        END IF;
        before := sequin._position_since(c.stream_id, since) - 1;
    END IF;
    IF c.mode = 'batch' THEN
        PERFORM sequin._move_cursor(k, least(before, k.position), 0) FROM sequin._lock_cursor(c) AS k;
        PERFORM sequin._announce_change(c.stream_id);
        RETURN;
    END IF;
    -- A range may come to end just there.
    UPDATE sequin._consumer_tails AS t SET lo = least(t.lo, before), range_floor = least(t.range_floor, before - 1)
    WHERE t.consumer_no = c.no;
    UPDATE sequin._consumer_ranges AS g SET hi = before
    WHERE g.consumer_no = c.no AND g.lo < before AND g.hi > before;
    DELETE FROM sequin._consumer_ranges AS g WHERE g.consumer_no = c.no AND g.hi > before;
    DELETE FROM sequin._retries AS r WHERE r.consumer_no = c.no AND r.position > before;
    DELETE FROM sequin._aside AS a WHERE a.consumer_no = c.no AND a.position > before;
    -- After what waits for those who have consumed: by now their leases can be seen. In the order in which all lock them.
    UPDATE sequin._leases AS l SET again_from = least(l.again_from, before + 1)
    FROM (SELECT f.id FROM sequin._leases AS f WHERE f.consumer_no = c.no ORDER BY f.id FOR UPDATE) AS locked
    WHERE l.consumer_no = c.no AND l.id = locked.id;
    DELETE FROM sequin._dead_letters AS d WHERE d.consumer_no = c.no AND d.position > before;
    PERFORM sequin._announce_change(c.stream_id);
END
$$;
COMMENT ON FUNCTION sequin.replay(text, bigint, timestamptz) IS
    'Delivers again what has an updated_idx of from_idx or more, or (since) what was observed at that time or later and '
    'all after it; dead letters among it too. What is in flight stays in flight, and is delivered once more after. '
    'Nothing that is still to be delivered is passed over. Waits for open transactions that have consumed or settled. '
    'Raises undefined_object for an unknown consumer, invalid_parameter_value for a negative from_idx or both given.';

CREATE FUNCTION sequin.requeue(consumer text, record_ids uuid[] DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c sequin.consumers := sequin._find_consumer(consumer);
    amount bigint;
BEGIN
    WITH gone AS (
        DELETE FROM sequin._dead_letters AS d
        USING sequin.records AS r
        WHERE d.consumer_no = c.no AND r.stream_id = c.stream_id AND r.updated_idx = d.position
          AND (record_ids IS NULL OR r.id = ANY (record_ids))
        RETURNING d.position
    ), queued AS (
        INSERT INTO sequin._retries (consumer_no, due, position, deliver_count)
        SELECT c.no, clock_timestamp(), position, 0 FROM gone ORDER BY position
        RETURNING 1
    )
    SELECT count(*) INTO amount FROM queued;
    DELETE FROM sequin._dead_letters AS d
    WHERE d.consumer_no = c.no
      AND NOT EXISTS (SELECT FROM sequin.records AS r WHERE r.stream_id = c.stream_id AND r.updated_idx = d.position);
    PERFORM sequin._announce_change(c.stream_id);
    RETURN amount;
END
$$;
COMMENT ON FUNCTION sequin.requeue(text, uuid[]) IS
    'Delivers dead letters again, with a count that starts anew. record_ids: the "record_id" of those to deliver, see '
    'sequin.dead_letters; NULL: all. Returns how many. Raises undefined_object for an unknown consumer.';
