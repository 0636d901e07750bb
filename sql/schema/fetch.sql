-- The batch mode: a consumer that is nothing but a position, moved by whoever commits.

CREATE FUNCTION sequin._lock_cursor(c sequin.consumers) RETURNS sequin._consumer_cursors
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_cursor sequin._consumer_cursors;
BEGIN
    LOOP
        SELECT * INTO found_cursor FROM sequin._consumer_cursors AS k
        WHERE k.consumer_no = c.no ORDER BY k.id DESC LIMIT 1
        FOR UPDATE;
        -- Whoever had it locked has replaced it: the next snapshot shows the new one.
        EXIT WHEN FOUND;
        PERFORM sequin._find_consumer(c.name);
    END LOOP;
    RETURN found_cursor;
END
$$;
COMMENT ON FUNCTION sequin._lock_cursor(sequin.consumers) IS
    'The cursor of a consumer whose mode is batch, for the caller alone until the transaction ends.';

CREATE FUNCTION sequin._move_cursor(old sequin._consumer_cursors, new_position bigint, amount bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM sequin._consumer_cursors AS k WHERE k.consumer_no = old.consumer_no AND k.id = old.id;
    IF old.before_at IS NULL OR old.before_at < clock_timestamp() - interval '10 s' THEN
        old.before_at := old.fed_at;
        old.fed_before := old.fed;
    END IF;
    INSERT INTO sequin._consumer_cursors (consumer_no, position, fed, fed_at, fed_before, before_at)
    VALUES (old.consumer_no, new_position, old.fed + amount, clock_timestamp(), old.fed_before, old.before_at);
END
$$;
COMMENT ON FUNCTION sequin._move_cursor(sequin._consumer_cursors, bigint, bigint) IS
    'Moves a cursor that the caller has locked; amount: how many records it passes.';

CREATE FUNCTION sequin._fetch_once(c sequin.consumers, batch_size int)
RETURNS TABLE (updated_idx bigint, record jsonb)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    sync_ids uuid[] := sequin._filter_syncs(c.syncs);
    portion CONSTANT int := CASE WHEN c.filter = '{}' THEN batch_size ELSE greatest(batch_size, 4096) END;
    locked CONSTANT sequin._consumer_cursors := sequin._lock_cursor(c);
    bound bigint := locked.position;
    room int := batch_size;
    sight record;
BEGIN
    -- First up to where, then what is there: no change that commits in between can get a position before that.
    FOR round IN 1..256 LOOP
        SELECT max(s.position) AS last, count(*) AS seen, array_agg(s.position) FILTER (WHERE s.hit) AS hits INTO sight
        FROM (SELECT r.updated_idx AS position, sequin._matches(c.providers, sync_ids, c.collection_ids, r) AS hit
              FROM sequin.records AS r
              WHERE r.stream_id = c.stream_id AND r.updated_idx > bound
              ORDER BY r.updated_idx LIMIT portion) AS s;
        bound := coalesce(sight.hits[room], sight.last, bound);
        room := room - coalesce(cardinality(sight.hits), 0);
        EXIT WHEN room <= 0 OR sight.seen < portion;
    END LOOP;
    IF bound > locked.position THEN
        RETURN QUERY
        SELECT r.updated_idx, sequin._record_json(r, s.json, s.external_id)
        FROM sequin.records AS r
        LEFT JOIN LATERAL (SELECT s.* FROM sequin._record_syncs AS s WHERE s.id = r.sync_id OFFSET 0) AS s ON true
        WHERE r.stream_id = c.stream_id AND r.updated_idx > locked.position AND r.updated_idx <= bound
          AND sequin._matches(c.providers, sync_ids, c.collection_ids, r)
        ORDER BY r.updated_idx;
        PERFORM sequin._move_cursor(locked, bound, batch_size - greatest(room, 0));
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._fetch_once(sequin.consumers, int) IS
    'One attempt of sequin.fetch; passes at most a million records.';

CREATE FUNCTION sequin._fetch(consumer text, batch_size int, wait_for interval)
RETURNS TABLE (updated_idx bigint, record jsonb)
LANGUAGE plpgsql
-- As for sequin.consume.
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    c sequin.consumers;
    give_up timestamptz := clock_timestamp() + wait_for;
    seen_to bigint := 0;
    worth_it boolean;
BEGIN
    PERFORM sequin._check_pull(batch_size, wait_for);
    LOOP
        c := sequin._find_consumer(consumer);
        PERFORM sequin._check_mode(c, 'batch');
        IF clock_timestamp() >= give_up THEN
            PERFORM sequin._stop_waiting();
            IF NOT c.paused THEN
                RETURN QUERY SELECT * FROM sequin._fetch_once(c, batch_size);
            END IF;
            RETURN;
        END IF;
        worth_it := NOT c.paused;
        IF worth_it THEN
            SELECT n.after, n.found_match INTO seen_to, worth_it
            FROM sequin._consumer_cursors AS k,
                 sequin._next_match(c, sequin._filter_syncs(c.syncs), greatest(seen_to, k.position)) AS n
            WHERE k.consumer_no = c.no ORDER BY k.id DESC LIMIT 1;
        END IF;
        IF worth_it THEN
            -- Nothing must be locked during the wait.
            BEGIN
                RETURN QUERY SELECT * FROM sequin._fetch_once(c, batch_size);
                IF FOUND THEN
                    PERFORM sequin._stop_waiting();
                    RETURN;
                END IF;
                RAISE SQLSTATE 'SQ000';
            EXCEPTION WHEN SQLSTATE 'SQ000' THEN
                -- Another session has fetched it.
                CONTINUE;
            END;
        END IF;
        PERFORM sequin._wait_for_change(
            c.stream_id, ceil(1000 * extract(epoch FROM least(give_up - clock_timestamp(), interval '1 min')))::int);
    END LOOP;
END
$$;
COMMENT ON FUNCTION sequin._fetch(text, int, interval) IS 'sequin.fetch, once the caller is known to have the consumer.';

CREATE FUNCTION sequin.fetch(consumer text, batch_size int DEFAULT 1000, wait_for interval DEFAULT '0')
RETURNS TABLE (updated_idx bigint, record jsonb)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sequin_fetch';
COMMENT ON FUNCTION sequin.fetch(text, int, interval) IS
    'The next batch_size records (1 to 10000) of a consumer whose mode is batch, oldest first; the consumer moves on '
    'when the transaction commits, and stays where it was when it does not. One session at a time: another one waits '
    'until the transaction that has fetched ends. wait_for: how long to wait until there is anything; READ COMMITTED '
    'only. A call passes over at most a million records that the filter leaves out and may then return none. Errors: '
    'as for sequin.consume, and object_not_in_prerequisite_state for a consumer whose mode is queue.';
