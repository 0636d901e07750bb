-- Changes to be made at an API. Whoever may, inserts a row; the worker sends it once the transaction has committed, and
-- applies the answer to the stream in the transaction that completes it.
CREATE TABLE sequin.mutations (
    id            uuid        PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    sync          text        NOT NULL,
    sync_id       uuid        NOT NULL REFERENCES sequin.syncs ON DELETE CASCADE,
    collection_id text        NOT NULL COLLATE "C",
    action        text        NOT NULL CHECK (action IN ('create', 'update', 'delete', 'upsert')),
    upstream_id   text        COLLATE "C",
    data          jsonb,
    state         text        NOT NULL DEFAULT 'pending'
                  CHECK (state IN ('pending', 'sending', 'done', 'failed', 'uncertain', 'cancelled')),
    -- The order in which changes of one record are made.
    no            bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- What the API can know the request by when it comes again.
    key           uuid        NOT NULL,
    attempts      int         NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT pg_catalog.now(),
    created_by    name        NOT NULL DEFAULT current_user,
    -- The first time under this key that the API may have received it.
    sent_at       timestamptz,
    retry_at      timestamptz,
    finished_at   timestamptz,
    error         text,
    error_class   text,
    error_code    text,
    status        int,
    response      jsonb,
    updated_idx   bigint,
    -- Pending: known to stand behind another of its record. Cancelled: those behind it are yet to be let go. Only the worker
    -- puts one in line, so that nobody else can change what it has just seen.
    in_line       boolean     NOT NULL DEFAULT false,
    -- What is to be created beneath another object names that.
    parent_id     text        COLLATE "C",
    -- The API has done it, and what the object is now has yet to be read.
    made          boolean     NOT NULL DEFAULT false,
    -- Changes that have the same are made one after the other: the object's id, or a hash of what an upsert finds it by.
    turn          text        COLLATE "C"
);
-- What is not finished, by what is to be done about it: those to be sent come first in their order.
CREATE INDEX mutations_open ON sequin.mutations (sync_id, state, in_line, no) WHERE finished_at IS NULL OR in_line;
-- Of each record the one that all others wait for first: one under way or uncertain, or else the oldest.
CREATE INDEX mutations_record ON sequin.mutations (sync_id, collection_id, turn, (state = 'pending'), no)
    WHERE finished_at IS NULL AND turn IS NOT NULL;
CREATE INDEX mutations_finished ON sequin.mutations (sync_id, finished_at);
COMMENT ON TABLE sequin.mutations IS
    'Changes to be made at APIs, and what came of them. Insert sync, collection_id, action, upstream_id, data and, for what '
    'is created beneath another object, parent_id, or call sequin.mutate.';
COMMENT ON COLUMN sequin.mutations.updated_idx IS
    'The position of the change in the stream. NULL: nothing in the stream has changed.';

SELECT pg_catalog.pg_extension_config_dump('sequin.mutations', '');
SELECT pg_catalog.pg_extension_config_dump('sequin.mutations_no_seq', '');

-- Rights. Whose mutations a role may make and see: see grants.sql.
ALTER TABLE sequin.mutations ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON sequin.mutations TO sequin_admin USING (true) WITH CHECK (true);
CREATE POLICY visible ON sequin.mutations FOR SELECT TO sequin_operator USING (true);
CREATE POLICY granted ON sequin.mutations TO sequin_writer
    USING (sync_id = ANY (ARRAY(SELECT g.sync_id FROM sequin._granted_mutations AS g)))
    WITH CHECK (sync_id = ANY (ARRAY(SELECT g.sync_id FROM sequin._granted_mutations AS g)));

-- With the rights of whoever inserts. What is not granted is refused in the same words as what does not exist.
CREATE FUNCTION sequin._check_writer() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_has_role('sequin_admin', 'USAGE') THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM sequin._granted_mutations AS g WHERE g.sync = NEW.sync) THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('permission denied for mutations of sync %s', coalesce(quote_literal(NEW.sync), 'NULL')),
            DETAIL = 'Either there is no such sync, or its mutations are not granted to the current role.',
            HINT = 'An administrator grants them with sequin.grant_mutations.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION sequin._check_writer() IS 'Refuses mutations of a sync that are not granted to whoever inserts them.';

CREATE FUNCTION sequin._complete_mutation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT c.sync_id, c.collection_id, c.turn INTO NEW.sync_id, NEW.collection_id, NEW.turn
    FROM sequin._check_mutation(
        NEW.sync, NEW.collection_id, NEW.action, NEW.upstream_id, NEW.data, NEW.parent_id
    ) AS c;
    NEW.key := NEW.id;
    NEW.state := 'pending';
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION sequin._complete_mutation() IS
    'Refuses a mutation that could never be sent, and completes the others with what its author does not give.';

-- A restore brings rows that are complete, which nobody else has the right to.
CREATE TRIGGER check_1_right BEFORE INSERT ON sequin.mutations
    FOR EACH ROW WHEN (NEW.sync_id IS NULL) EXECUTE FUNCTION sequin._check_writer();
CREATE TRIGGER check_2_values BEFORE INSERT ON sequin.mutations
    FOR EACH ROW WHEN (NEW.sync_id IS NULL) EXECUTE FUNCTION sequin._complete_mutation();

CREATE FUNCTION sequin._call_writer() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sequin._announce_mutations();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._call_writer() IS
    'Has the workers of this database look for mutations, once the transaction has committed.';
CREATE TRIGGER wake AFTER INSERT ON sequin.mutations FOR EACH STATEMENT EXECUTE FUNCTION sequin._call_writer();

CREATE FUNCTION sequin.mutate(
    sync text, collection_id text, action text, upstream_id text DEFAULT NULL, data jsonb DEFAULT NULL,
    parent_id text DEFAULT NULL
) RETURNS uuid
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    new_id uuid := gen_random_uuid();
BEGIN
    INSERT INTO sequin.mutations (id, sync, collection_id, action, upstream_id, data, parent_id)
    VALUES (new_id, mutate.sync, mutate.collection_id, mutate.action, mutate.upstream_id, mutate.data, mutate.parent_id);
    RETURN new_id;
END
$$;
COMMENT ON FUNCTION sequin.mutate(text, text, text, text, jsonb, text) IS
    'Has a change made at an API, once, when the transaction has committed: the same as an INSERT into sequin.mutations. '
    'sync: its name. collection_id: such as stripe:customer; the provider may be left out. action: create, update, delete '
    'or upsert, as far as the API can. upstream_id: the object; NULL for create. data: what is given to the API, an object; '
    'an update changes nothing else. parent_id: the object that a new one is to be beneath, in a nested collection. '
    'Returns the id of the mutation; see sequin.await_mutation. '
    'Errors: undefined_object; feature_not_supported for what the API can''t; invalid_parameter_value; '
    'null_value_not_allowed; insufficient_privilege.';

CREATE FUNCTION sequin._is_through(c sequin.consumers, the_position bigint) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE c.mode WHEN 'batch' THEN
        coalesce((SELECT k.position >= the_position FROM sequin._consumer_cursors AS k
                  WHERE k.consumer_no = c.no ORDER BY k.id DESC LIMIT 1), false)
    ELSE
        EXISTS (SELECT FROM sequin._consumer_tails AS t WHERE t.consumer_no = c.no AND t.lo >= the_position)
        AND (
            EXISTS (SELECT FROM sequin._aside AS a WHERE a.consumer_no = c.no AND a.position = the_position)
            OR NOT EXISTS (SELECT FROM (SELECT g.lo FROM sequin._consumer_ranges AS g
                                        WHERE g.consumer_no = c.no AND g.hi >= the_position
                                        ORDER BY g.hi LIMIT 1) AS around
                           WHERE around.lo < the_position)
        )
        AND NOT EXISTS (SELECT FROM sequin._leases AS l
                        WHERE l.consumer_no = c.no AND the_position = ANY (l.positions)
                          AND l.id >= (SELECT t.lease_floor FROM sequin._consumer_tails AS t WHERE t.consumer_no = c.no))
        AND NOT EXISTS (SELECT FROM sequin._retries AS r WHERE r.consumer_no = c.no AND r.position = the_position)
        AND NOT EXISTS (SELECT FROM sequin._dead_letters AS d WHERE d.consumer_no = c.no AND d.position = the_position)
    END
$$;
COMMENT ON FUNCTION sequin._is_through(sequin.consumers, bigint) IS
    'Whether a consumer is done with a position: it has taken what is there and acknowledged it, or passed it by.';

CREATE FUNCTION sequin._await_mutation(the_id uuid, timeout interval, consumers text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    m record;
    r sequin.records;
    c sequin.consumers;
    behind text;
    wanted text;
    deadline timestamptz := clock_timestamp() + timeout;
BEGIN
    FOREACH wanted IN ARRAY consumers LOOP
        c := sequin._find_consumer(wanted);
        IF NOT EXISTS (SELECT FROM sequin.mutations AS t JOIN sequin.syncs AS s ON s.id = t.sync_id
                       WHERE t.id = the_id AND s.stream_id = c.stream_id) THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('consumer %s reads another stream', quote_literal(wanted)),
                DETAIL = 'The change does not come to it.',
                HINT = 'Name consumers of the stream that the sync of the mutation brings records into.';
        END IF;
    END LOOP;
    LOOP
        SELECT t.state, t.updated_idx, t.collection_id, t.upstream_id, t.sync_id, t.error, t.attempts, s.stream_id, s.status
        INTO m
        FROM sequin.mutations AS t JOIN sequin.syncs AS s ON s.id = t.sync_id
        WHERE t.id = the_id;
        EXIT WHEN NOT FOUND;
        behind := NULL;
        IF m.state = 'done' AND m.updated_idx IS NOT NULL AND cardinality(consumers) > 0 THEN
            -- It may have changed since, and only its latest version is delivered.
            SELECT * INTO r FROM sequin.records AS t
            WHERE t.stream_id = m.stream_id AND t.collection_id = m.collection_id AND t.upstream_id = m.upstream_id
              AND t.sync_id = m.sync_id;
            FOREACH wanted IN ARRAY consumers LOOP
                c := sequin._find_consumer(wanted);
                IF r.id IS NOT NULL
                   AND sequin._matches(c.providers, sequin._filter_syncs(c.syncs), c.collection_ids, r)
                   AND NOT sequin._is_through(c, r.updated_idx) THEN
                    behind := concat_ws(', ', behind, quote_literal(wanted));
                END IF;
            END LOOP;
        END IF;
        IF m.state NOT IN ('pending', 'sending') AND behind IS NULL THEN
            EXIT;
        END IF;
        IF clock_timestamp() >= deadline THEN
            RAISE query_canceled USING
                MESSAGE = CASE WHEN behind IS NULL THEN format('the mutation is not finished after %s', timeout)
                               ELSE format('not all consumers have acknowledged the change after %s', timeout) END,
                DETAIL = CASE
                    WHEN behind IS NOT NULL THEN format('These have yet to: %s.', behind)
                    WHEN m.status = 'paused' THEN format('It is %s, and its sync is paused.', m.state)
                    ELSE format('It is %s, after %s attempts%s.', m.state, m.attempts, ': ' || m.error) END,
                HINT = CASE WHEN behind IS NULL
                    THEN 'The mutation goes on; sequin.cancel_mutation takes it back as long as it has not been sent.'
                    ELSE 'The change is made at the API and in the stream.' END;
        END IF;
        -- Acknowledgements announce themselves only where somebody waits for the records, so never sleep for long.
        PERFORM sequin._wait_for_change(
            m.stream_id, least(100, 1 + extract(epoch FROM deadline - clock_timestamp()) * 1000)::int
        );
    END LOOP;
    PERFORM sequin._stop_waiting();
END
$$;
COMMENT ON FUNCTION sequin._await_mutation(uuid, interval, text[]) IS
    'Waits until a mutation is finished or uncertain, and the consumers have acknowledged the change, or it is gone.';

CREATE FUNCTION sequin._find_mutation(the_id uuid) RETURNS sequin.mutations
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    m sequin.mutations;
BEGIN
    SELECT * INTO m FROM sequin.mutations AS t WHERE t.id = the_id;
    IF NOT FOUND THEN
        RAISE undefined_object USING
            MESSAGE = 'the mutation does not exist',
            DETAIL = format('There is no mutation with the id %s, or it is not for the current role to see.', the_id),
            HINT = 'One that is finished is removed after sequin.mutation_retention, and with its sync.';
    END IF;
    RETURN m;
END
$$;
COMMENT ON FUNCTION sequin._find_mutation(uuid) IS 'The mutation of that id. Raises undefined_object.';

CREATE FUNCTION sequin.await_mutation(id uuid, timeout interval DEFAULT '30 s', consumers text[] DEFAULT '{}')
RETURNS sequin.mutations
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF id IS NULL OR timeout IS NULL OR consumers IS NULL OR array_position(consumers, NULL) IS NOT NULL THEN
        RAISE null_value_not_allowed USING
            MESSAGE = 'arguments of sequin.await_mutation can''t be null',
            DETAIL = 'One of id, timeout, consumers and the elements of consumers is null.',
            HINT = 'Give the id that sequin.mutate has returned, and leave out what is not needed.';
    END IF;
    IF timeout < interval '0' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid timeout %s', timeout),
            DETAIL = 'It is negative.',
            HINT = 'Give a timeout such as ''30 s''.';
    END IF;
    -- One that the transaction has made itself was made when it began.
    IF (sequin._find_mutation(id)).created_at = now() THEN
        RAISE active_sql_transaction USING
            MESSAGE = 'a transaction can''t wait for a mutation of its own',
            DETAIL = 'A mutation is sent when the transaction that has made it has committed.',
            HINT = 'Commit first, and call sequin.await_mutation in another transaction.';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE active_sql_transaction USING
            MESSAGE = format('a transaction that is %s can''t see a mutation make progress',
                             current_setting('transaction_isolation')),
            DETAIL = 'Its snapshot was taken before.',
            HINT = 'Call sequin.await_mutation in a transaction that is READ COMMITTED.';
    END IF;
    PERFORM sequin._await_mutation(id, timeout, consumers);
    RETURN sequin._find_mutation(id);
END
$$;
COMMENT ON FUNCTION sequin.await_mutation(uuid, interval, text[]) IS
    'Waits until a mutation is finished or uncertain, and returns it as it is then: state, and the API''s words, say what '
    'came of it. id: as sequin.mutate has returned it, committed. timeout: how long to wait at most; the mutation goes on. '
    'consumers: wait until they have acknowledged the change as well. '
    'Errors: query_canceled when the time is over; active_sql_transaction for a mutation of the same transaction; '
    'undefined_object; invalid_parameter_value for a consumer of another stream; null_value_not_allowed.';

CREATE VIEW sequin.mutation_status AS
SELECT s.name AS sync,
       m.collection_id,
       pg_catalog.count(*) FILTER (WHERE m.state = 'pending') AS pending,
       pg_catalog.count(*) FILTER (WHERE m.state = 'sending') AS sending,
       pg_catalog.count(*) FILTER (WHERE m.state = 'uncertain') AS uncertain,
       pg_catalog.count(*) FILTER (WHERE m.state = 'failed') AS failed,
       pg_catalog.min(m.created_at) FILTER (WHERE m.state IN ('pending', 'sending')) AS oldest_pending_at,
       pg_catalog.min(m.retry_at) FILTER (WHERE m.state = 'pending' AND m.retry_at > pg_catalog.now()) AS retry_at,
       (pg_catalog.array_agg(m.error ORDER BY coalesce(m.finished_at, m.retry_at, m.sent_at) DESC NULLS LAST, m.no DESC)
            FILTER (WHERE m.error IS NOT NULL AND m.state <> 'cancelled'))[1] AS last_error,
       pg_catalog.max(m.finished_at) FILTER (WHERE m.state = 'done') AS last_done_at,
       CASE
           WHEN pg_catalog.count(*) FILTER (WHERE m.state = 'uncertain') > 0 THEN
               'Nobody knows whether the API has done what is uncertain, and what follows of the same records waits for '
               'it. Look there, and then call sequin.retry_mutation where it was not done and is to be, or '
               'sequin.dismiss_mutation.'
           WHEN s.status = 'paused' THEN 'The sync is paused: sequin.resume_sync has what is pending sent.'
           WHEN pg_catalog.count(*) FILTER (WHERE m.state = 'pending' AND m.error_class = 'credential') > 0
               THEN sequin._failure_hint('credential')
           WHEN pg_catalog.count(*) FILTER (WHERE m.state = 'failed') > 0 THEN
               'The API has refused what has failed; error, error_code and response of sequin.mutations have its words. '
               'sequin.retry_mutation asks for it once more, sequin.dismiss_mutation takes it off this list.'
       END AS hint
FROM sequin.mutations AS m
JOIN sequin.syncs AS s ON s.id = m.sync_id
GROUP BY s.id, m.collection_id;
COMMENT ON VIEW sequin.mutation_status IS
    'A row for each sync and collection with mutations: how many wait, are under way, have an unknown outcome or were '
    'refused, since when the oldest waits, the last error, and what would help.';
