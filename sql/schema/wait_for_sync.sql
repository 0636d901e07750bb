CREATE FUNCTION sequin.wait_for_sync(name text, timeout interval DEFAULT '5 min') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    the_sync sequin.syncs;
    deadline timestamptz := clock_timestamp() + timeout;
    unfinished text;
BEGIN
    IF name IS NULL OR timeout IS NULL THEN
        RAISE EXCEPTION 'arguments of sequin.wait_for_sync can''t be null'
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'One of name and timeout is null.',
                  HINT = 'Give the name of a sync, and a timeout such as ''5 min''.';
    END IF;
    IF timeout < interval '0' THEN
        RAISE EXCEPTION 'invalid timeout %', timeout
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'It is negative.',
                  HINT = 'Give a timeout such as ''5 min''.';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a transaction that is % can''t see a sync make progress', current_setting('transaction_isolation')
            USING ERRCODE = 'active_sql_transaction',
                  DETAIL = 'Its snapshot was taken before.',
                  HINT = 'Call sequin.wait_for_sync in a transaction that is READ COMMITTED.';
    END IF;
    LOOP
        SELECT * INTO the_sync FROM sequin.syncs AS s WHERE s.name = wait_for_sync.name;
        -- It may have been deleted meanwhile.
        the_sync.id := sequin._sync_id(name);
        SELECT string_agg(format('%s%s', c.collection_id, ': ' || h.error), '; ' ORDER BY c.collection_id)
        INTO unfinished
        FROM sequin._sync_collections AS c
        JOIN sequin._collection_health AS h ON h.sync_id = c.sync_id AND h.collection_id = c.collection_id
        WHERE c.sync_id = the_sync.id AND c.backfilled_at IS NULL;
        IF unfinished IS NULL THEN
            PERFORM sequin._stop_waiting();
            RETURN;
        END IF;
        IF the_sync.status <> 'active' THEN
            RAISE EXCEPTION 'sync % is paused', quote_ident(name)
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      DETAIL = format('Its initial backfills have not completed: %s.', unfinished),
                      HINT = 'Resume it with sequin.resume_sync.';
        END IF;
        IF clock_timestamp() >= deadline THEN
            RAISE EXCEPTION 'sync % is not complete after %', quote_ident(name), timeout
                USING ERRCODE = 'query_canceled',
                      DETAIL = format('These have not been backfilled: %s.', unfinished),
                      HINT = 'The sync goes on. sequin.status and sequin.backfill_progress show how far it is.';
        END IF;
        -- The last page of a backfill and its completion are two transactions, and the second one changes no record:
        -- so never sleep for long.
        PERFORM sequin._wait_for_change(
            the_sync.stream_id,
            least(200, 1 + extract(epoch FROM deadline - clock_timestamp()) * 1000)::int
        );
    END LOOP;
END
$$;
COMMENT ON FUNCTION sequin.wait_for_sync(text, interval) IS
    'Waits until the initial backfills of all collections of a sync have completed; for scripts and tests. '
    'name: of the sync. timeout: how long to wait at most. '
    'Errors: query_canceled when the time is over, with what is not complete and why in DETAIL; '
    'object_not_in_prerequisite_state where the sync is paused; undefined_object; invalid_parameter_value.';
