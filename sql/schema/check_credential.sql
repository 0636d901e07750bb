CREATE FUNCTION sequin._check_key(credential_id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.hashtextextended('sequin.check:' || credential_id::text, 0) $$;
COMMENT ON FUNCTION sequin._check_key(uuid) IS
    'The advisory lock that sessions share while they wait for a credential to be checked.';

CREATE FUNCTION sequin.check_credential(name text, timeout interval DEFAULT '30 s') RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    began timestamptz := clock_timestamp();
    deadline timestamptz := began + timeout;
    the_credential uuid;
    is_new boolean;
    answer jsonb;
BEGIN
    IF check_credential.name IS NULL OR timeout IS NULL THEN
        RAISE EXCEPTION 'arguments of sequin.check_credential can''t be null'
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'One of name and timeout is null.',
                  HINT = 'Give the name of a credential, and a timeout such as ''30 s''.';
    END IF;
    IF timeout < interval '0' THEN
        RAISE EXCEPTION 'invalid timeout %', timeout
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'It is negative.',
                  HINT = 'Give a timeout such as ''30 s''.';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'a transaction that is % can''t see what a worker writes down', current_setting('transaction_isolation')
            USING ERRCODE = 'active_sql_transaction',
                  DETAIL = 'Its snapshot was taken before.',
                  HINT = 'Call sequin.check_credential in a transaction that is READ COMMITTED.';
    END IF;
    SELECT c.id, c.xmin = pg_current_xact_id_if_assigned()::xid INTO the_credential, is_new
    FROM sequin._credentials AS c
    WHERE c.name = check_credential.name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'credential % does not exist', quote_ident(check_credential.name)
            USING ERRCODE = 'undefined_object',
                  DETAIL = 'There is no credential of this name in this database.',
                  HINT = 'SELECT name FROM sequin.credentials lists those there are.';
    END IF;
    IF is_new THEN
        RAISE EXCEPTION 'credential % is not committed yet', quote_ident(check_credential.name)
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = 'It was made or changed by this transaction, and no worker can see it.',
                  HINT = 'Commit first.';
    END IF;
    -- The lock asks: a worker sees it without a commit. It ends with this block, which is why the block is left by an
    -- error, or with whatever else ends the waiting.
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(sequin._check_key(the_credential));
        PERFORM sequin._ask_workers();
        LOOP
            SELECT jsonb_build_object(
                       'ok', k.ok, 'class', k.class, 'message', k.message, 'account', k.account, 'scopes', k.scopes,
                       'checked_at', k.checked_at
                   )
            INTO answer
            FROM sequin._credential_checks AS k
            WHERE k.credential_id = the_credential AND k.checked_at >= began;
            EXIT WHEN FOUND OR clock_timestamp() >= deadline;
            PERFORM sequin._wait_for_change(
                the_credential,
                least(200, 1 + extract(epoch FROM deadline - clock_timestamp()) * 1000)::int
            );
        END LOOP;
        PERFORM sequin._stop_waiting();
        RAISE EXCEPTION USING ERRCODE = 'SQ000';
    EXCEPTION WHEN SQLSTATE 'SQ000' THEN
        NULL;
    END;
    RETURN coalesce(answer, jsonb_build_object(
        'ok', NULL,
        'class', 'transient',
        'message', format('no worker has said anything within %s', timeout),
        'account', NULL,
        'scopes', NULL,
        'checked_at', NULL
    ));
END
$$;
COMMENT ON FUNCTION sequin.check_credential(text, interval) IS
    'Asks the API of a credential whether it is accepted, by the cheapest request there is for that, and waits for the '
    'answer. name: of the credential. timeout: how long to wait at most. Returns {"ok", "class", "message", "account", '
    '"scopes", "checked_at"}: ok is true where the API lets the credential in, also where it may not read what was asked '
    'for (class permission), and null where nothing is known yet. '
    'Errors: undefined_object; object_not_in_prerequisite_state where the credential is not committed yet; '
    'active_sql_transaction; invalid_parameter_value; null_value_not_allowed.';
