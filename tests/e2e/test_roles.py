"""Who may do what, function by function and table by table, and what somebody tries who may not."""

import pytest
from harness import Cluster, Database, Upstream, eventually
from harness.consumers import STREAM, one
from harness.roles import ADMIN, ALL, CONSUMER, GROUPS, OPERATOR, OWNER, READER, STRANGER, WRITER, As, refused
from harness.sync import start_sync
from psycopg import errors
from psycopg.types.json import Jsonb


def among(roles: set[str], names: str) -> dict[str, set[str]]:
    return dict.fromkeys(names.split(), roles)


# A function that is not listed may be executed by its owner alone; a public one must be listed.
EXECUTE = {
    **among(
        {ADMIN},
        """create_stream delete_stream create_credential update_credential delete_credential
           create_oauth_app delete_oauth_app start_oauth finish_oauth register_provider delete_provider
           create_sync update_sync delete_sync create_consumer update_consumer delete_consumer
           grant_stream revoke_stream grant_consumer revoke_consumer grant_mutations revoke_mutations""",
    ),
    **among(
        {ADMIN, OPERATOR},
        """pause_sync resume_sync wait_for_sync start_backfill cancel_backfill confirm_deletes retry_rejected
           refresh_collections check_credential pause_consumer resume_consumer replay requeue
           _declared_providers _declared_collections _discovered_collections _lease_key
           _current_key _count_beyond""",
    ),
    **among(set(), "rotate_key"),
    **among({ADMIN, CONSUMER}, "consume ack nack extend fetch"),
    **among(
        {ADMIN, WRITER},
        """mutate await_mutation retry_mutation dismiss_mutation cancel_mutation
           _find_mutation _await_mutation
           _sync_to_write _json_value _with_member _unset_missing _changed_members""",
    ),
    **among(
        {ADMIN, READER},
        """read_stream record_json _stream_id _sync_id _check_filter _filter_names _filter_syncs
           create_view _collection_id _described_fields _discovered_fields _column_names _field_expression
           _path_within _write_plan _write_through
           as_boolean as_bigint as_double_precision as_numeric as_timestamptz as_date as_uuid""",
    ),
    **among({ADMIN, READER, CONSUMER}, "_record_json _sync_json _build_record_json"),
    **among(
        {ADMIN, OPERATOR, READER},
        "_check_intervals _failure_hint _health_of _declared_fields _declared_writes",
    ),
}

# These run as their owner, whoever calls them.
DEFINERS = {
    name
    for name, roles in EXECUTE.items()
    if (not name.startswith("_") and roles <= {ADMIN, OPERATOR}) or name == "_count_beyond"
} - {"create_credential", "update_credential"} | {"_await_mutation", "_complete_mutation", "_call_writer"}

# The same for tables and views. Nobody but the owner may do anything but SELECT, and INSERT a request.
SELECT = {
    **among({ADMIN}, "grants"),
    **among(
        {ADMIN, OPERATOR},
        """credentials oauth_apps providers collections sync_log workers backfills backfill_progress
           consumer_status mutation_status""",
    ),
    **among({ADMIN, OPERATOR, READER}, "streams syncs sync_collections status _providers _kinds"),
    **among({ADMIN, READER}, "records rejected_records _discovered"),
    **among({ADMIN, OPERATOR, CONSUMER}, "consumers"),
    **among({ADMIN, CONSUMER}, "dead_letters"),
    **among({READER}, "_granted_streams"),
    **among({CONSUMER}, "_granted_consumers"),
    **among({ADMIN, WRITER}, "mutations _writable_syncs"),
    **among({WRITER}, "_granted_mutations"),
}
# What an operator may not see of a table that is not granted as a whole: what the API sent or is sent.
COLUMNS = {
    ("rejected_records", OPERATOR): {"raw", "raw_hash"},
    ("mutations", OPERATOR): {"data", "made", "response"},
}
# What may be given of a table that may be inserted into.
INSERT = {
    ("mutations", role): {"id", "sync", "collection_id", "action", "upstream_id", "data", "parent_id"}
    for role in (ADMIN, WRITER)
}

# The lists


def test_functions_are_for_those_who_are_listed(roles: Database) -> None:
    found: dict[str, set[str]] = {}
    for name, role in roles.sql(
        """SELECT p.proname, r.rolname
           FROM pg_proc AS p LEFT JOIN pg_roles AS r
             ON r.rolname = ANY (%s) AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
           WHERE p.pronamespace = 'sequin'::regnamespace""",
        list(ALL),
    ):
        found.setdefault(name, set()).update([role] if role else [])
    public = {name for name in found if not name.startswith("_")}
    assert public <= EXECUTE.keys(), f"nobody has decided who may call {sorted(public - EXECUTE.keys())}"
    assert found == {name: EXECUTE.get(name, set()) for name in found.keys() | EXECUTE.keys()}


def test_tables_and_views_are_for_those_who_are_listed(roles: Database) -> None:
    found: dict[str, set[str]] = {}
    for name, role in roles.sql(
        """SELECT c.relname, r.rolname
           FROM pg_class AS c LEFT JOIN pg_roles AS r
             ON r.rolname = ANY (%s) AND has_table_privilege(r.oid, c.oid, 'SELECT')
           WHERE c.relnamespace = 'sequin'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')""",
        list(ALL),
    ):
        found.setdefault(name, set()).update([role] if role else [])
    public = {name for name in found if not name.startswith("_")}
    assert public <= SELECT.keys(), f"nobody has decided who may see {sorted(public - SELECT.keys())}"
    assert found == {name: SELECT.get(name, set()) for name in found.keys() | SELECT.keys()}


def test_columns_are_for_those_who_are_listed(roles: Database) -> None:
    rows = roles.sql(
        """SELECT c.relname, r.rolname, a.attname, has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')
           FROM pg_class AS c
           JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           JOIN pg_roles AS r ON r.rolname = ANY (%s)
           WHERE c.relnamespace = 'sequin'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             AND NOT has_table_privilege(r.oid, c.oid, 'SELECT')
             AND has_any_column_privilege(r.oid, c.oid, 'SELECT')""",
        list(ALL),
    )
    hidden: dict[tuple[str, str], set[str]] = {}
    for relation, role, column, may in rows:
        hidden.setdefault((relation, role), set()).update([] if may else [column])
    assert hidden == COLUMNS


def test_who_may_insert_may_give_what_is_listed(roles: Database) -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for relation, role, column in roles.sql(
        """SELECT c.relname, r.rolname, a.attname
           FROM pg_class AS c
           JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           JOIN pg_roles AS r ON r.rolname = ANY (%s)
           WHERE c.relnamespace = 'sequin'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
             AND has_column_privilege(r.oid, c.oid, a.attnum, 'INSERT')""",
        list(ALL),
    ):
        found.setdefault((relation, role), set()).add(column)
    assert found == INSERT


def test_nobody_may_change_a_table_or_use_a_sequence(roles: Database) -> None:
    tables = roles.sql(
        """SELECT c.relname, r.rolname
           FROM pg_class AS c, pg_roles AS r
           WHERE c.relnamespace = 'sequin'::regnamespace AND r.rolname = ANY (%s)
             AND CASE c.relkind
                   WHEN 'S' THEN has_sequence_privilege(r.oid, c.oid, 'SELECT, USAGE, UPDATE')
                   WHEN 'i' THEN false
                   ELSE has_table_privilege(r.oid, c.oid,
                                            'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                     OR has_any_column_privilege(r.oid, c.oid, 'UPDATE, REFERENCES')
                 END""",
        list(ALL),
    )
    assert tables == []


def test_nothing_is_for_everybody(database: Database) -> None:
    granted = database.sql(
        """SELECT o.what, a.privilege_type
           FROM (SELECT p.oid::regprocedure::text AS what,
                        coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
                 FROM pg_proc AS p WHERE p.pronamespace = 'sequin'::regnamespace
                 UNION ALL
                 SELECT c.oid::regclass::text,
                        coalesce(c.relacl, acldefault(
                            CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
                 FROM pg_class AS c WHERE c.relnamespace = 'sequin'::regnamespace
                 UNION ALL
                 SELECT a.attrelid::regclass || '.' || a.attname, a.attacl
                 FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
                 WHERE c.relnamespace = 'sequin'::regnamespace
                 UNION ALL
                 SELECT 'schema', n.nspacl FROM pg_namespace AS n WHERE n.nspname = 'sequin') AS o
           CROSS JOIN LATERAL aclexplode(o.acl) AS a
           WHERE a.grantee = 0"""
    )
    assert granted == []
    # Nobody can name a row type without the schema. Types of other kinds there are none.
    types = """SELECT t.typname FROM pg_type AS t
               WHERE t.typnamespace = 'sequin'::regnamespace AND t.typrelid = 0 AND t.typelem = 0"""
    assert database.sql(types) == []


def test_what_a_stranger_tries_is_refused(roles: Database, as_role: As) -> None:
    stranger = as_role(STRANGER)
    functions = roles.sql(
        """SELECT p.proname,
                  ARRAY(SELECT format_type(t, NULL)
                        FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n) ORDER BY n)
           FROM pg_proc AS p WHERE p.pronamespace = 'sequin'::regnamespace"""
    )
    assert len(functions) > 100
    for name, types in functions:
        # From a table: a call with constants that are null may be left out.
        columns = ", ".join(f"NULL::{type_} AS a{n}" for n, type_ in enumerate(types))
        arguments = ", ".join(f"a{n}" for n, _ in enumerate(types))
        refused(stranger, f"SELECT sequin.{name}({arguments}) FROM (SELECT {columns} OFFSET 0) AS given")
    relations = roles.sql(
        """SELECT c.relname, c.relkind::text FROM pg_class AS c
           WHERE c.relnamespace = 'sequin'::regnamespace AND c.relkind IN ('r', 'v', 'S')"""
    )
    assert len(relations) > 40
    for name, kind in relations:
        refused(stranger, f"SELECT FROM sequin.{name}")
        if kind == "S":
            refused(stranger, f"SELECT nextval('sequin.{name}')")
        elif kind == "r":
            refused(stranger, f"DELETE FROM sequin.{name}")
            refused(stranger, f"TRUNCATE sequin.{name}")
            refused(stranger, f"INSERT INTO sequin.{name} DEFAULT VALUES")


def test_without_the_schema_nothing_can_be_named(roles: Database, as_role: As) -> None:
    roles.sql(f"REVOKE USAGE ON SCHEMA sequin FROM {STRANGER}")
    refused(as_role(STRANGER), "SELECT sequin.create_stream('x')")
    refused(as_role(STRANGER), "SELECT FROM sequin.status")


def test_an_administrator_is_no_owner(two_streams: Database, as_role: As) -> None:
    """Nobody but a superuser can put something on a table that the workers and functions would run."""
    admin = as_role(ADMIN)
    two_streams.sql("CREATE SCHEMA mine")
    two_streams.sql(f"GRANT ALL ON SCHEMA mine TO {ADMIN}")
    admin.execute("CREATE FUNCTION mine.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    for statement in (
        "CREATE TRIGGER t AFTER INSERT ON sequin.records EXECUTE FUNCTION mine.f()",
        "CREATE POLICY p ON sequin.records USING (true)",
        "CREATE RULE r AS ON INSERT TO sequin.records DO ALSO NOTHING",
        "CREATE INDEX ON sequin.records ((data ->> 'x'))",
        "ALTER TABLE sequin.records DISABLE ROW LEVEL SECURITY",
        "CREATE OR REPLACE FUNCTION sequin._matches(text[], uuid[], text[], sequin.records) RETURNS boolean"
        " LANGUAGE sql AS 'SELECT true'",
        "CREATE FUNCTION sequin.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE sequin.t ()",
        "CREATE TABLE mine.t (id uuid REFERENCES sequin.streams ON DELETE CASCADE)",
        "SET ROLE sequin_worker",
        "GRANT sequin_worker TO CURRENT_USER",
        "UPDATE sequin.syncs SET status = 'active'",
        "SELECT sealed FROM sequin._credentials",
        "DROP EXTENSION sequin",
    ):
        refused(admin, statement)


# What runs with more rights than its caller's


def test_who_runs_as_its_owner_is_listed_and_keeps_to_its_search_path(database: Database) -> None:
    definers = database.sql(
        """SELECT proname, proconfig, proowner::regrole::text AS owner FROM pg_proc
           WHERE pronamespace = 'sequin'::regnamespace AND prosecdef"""
    )
    assert {row.proname for row in definers} == DEFINERS
    for row in definers:
        assert "search_path=pg_catalog, pg_temp" in row.proconfig, row.proname
        assert row.owner == OWNER, row.proname


def test_all_belongs_to_a_role_that_is_no_superuser(database: Database) -> None:
    owners = database.sql(
        """SELECT DISTINCT relowner::regrole::text FROM pg_class
           WHERE relnamespace = 'sequin'::regnamespace
           UNION
           SELECT proowner::regrole::text FROM pg_proc WHERE pronamespace = 'sequin'::regnamespace"""
    )
    assert owners == [(OWNER,)]
    attributes = database.sql(
        """SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
                           OR rolcanlogin
           FROM pg_roles WHERE rolname = ANY (%s)""",
        [OWNER, *GROUPS.values()],
    )
    assert dict(attributes) == dict.fromkeys([OWNER, *GROUPS.values()], False)
    assert database.sql("SELECT 1 FROM pg_auth_members WHERE roleid = %s::regrole", OWNER) == []


def test_views_that_hide_rows_are_barriers(database: Database) -> None:
    """Those that ask who is looking; a function of the reader's own must not see a row before they have."""
    hiding = database.sql(
        """SELECT relname, 'security_barrier=true' = ANY (coalesce(reloptions, '{}')) FROM pg_class
           WHERE relnamespace = 'sequin'::regnamespace AND relkind = 'v'
             AND pg_get_viewdef(oid) ~ '_visible_streams|_granted_(streams|consumers|mutations)|pg_has_role'
             AND relname <> '_visible_streams'"""
    )
    assert len(hiding) >= 5
    assert all(is_barrier for _, is_barrier in hiding), hiding


@pytest.fixture
def evil(roles: Database) -> Database:
    """A schema with functions and operators that would betray the rights of whoever ran them."""
    for statement in (
        "CREATE SCHEMA evil",
        "GRANT USAGE ON SCHEMA evil TO PUBLIC",
        "CREATE TABLE evil.caught (who name DEFAULT current_user, what text)",
        "GRANT INSERT ON evil.caught TO PUBLIC",
        "CREATE FUNCTION evil.catch(what text) RETURNS boolean LANGUAGE sql"
        " AS 'INSERT INTO evil.caught (what) VALUES (what) RETURNING true'",
        *(
            f"CREATE FUNCTION evil.equal(a {type_}, b {type_}) RETURNS boolean LANGUAGE sql"
            f" AS $$ SELECT evil.catch('{type_} =') $$;"
            f" CREATE OPERATOR evil.= (FUNCTION = evil.equal, LEFTARG = {type_}, RIGHTARG = {type_})"
            for type_ in ("text", "uuid", "int", "bigint", "boolean", "timestamptz")
        ),
        "CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql"
        " AS $$ SELECT pg_catalog.now() WHERE evil.catch('now') $$",
        "CREATE FUNCTION evil.count(anyelement) RETURNS bigint LANGUAGE sql"
        " AS $$ SELECT 1::bigint WHERE evil.catch('count') $$",
        "CREATE FUNCTION evil.generate_series(int, int) RETURNS SETOF int LANGUAGE sql"
        " AS $$ SELECT 1 WHERE evil.catch('generate_series') $$",
    ):
        roles.sql(statement)
    return roles


def test_a_search_path_leads_nowhere(evil: Database, as_role: As) -> None:
    admin, consumer = as_role(ADMIN), as_role(CONSUMER)
    for conn in (admin, consumer):
        conn.execute("SET search_path = evil, pg_temp, pg_catalog")
        for table in ("streams", "syncs", "records", "consumers", "_credentials", "_leases"):
            conn.execute(f"CREATE TEMP TABLE {table} (id uuid, name text)")
        assert one(conn, "SELECT 'a'::text = 'b'"), "what is not qualified is found in evil"
    evil.sql("TRUNCATE evil.caught")
    properties = Jsonb({"kind": "api_key", "api_key": "sk_test_x", "base_url": "http://127.0.0.1:9"})
    admin.execute("SELECT sequin.create_stream('s')")
    admin.execute("SELECT sequin.create_credential('k', 'stripe', %s)", [properties])
    admin.execute("SELECT sequin.update_credential('k', %s)", [properties])
    admin.execute("SELECT sequin.create_sync('a', 's', 'k', '{customer}')")
    admin.execute("SELECT sequin.pause_sync('a')")
    admin.execute("SELECT sequin.update_sync('a', frequency => '1h', collections => '{customer,charge}')")
    admin.execute("SELECT sequin.start_backfill('a', 'customer')")
    admin.execute(
        "SELECT sequin.cancel_backfill(id) FROM sequin.backfills WHERE kind OPERATOR(pg_catalog.=) 'manual'"
    )
    admin.execute("SELECT sequin.retry_rejected('a')")
    admin.execute("SELECT sequin.mutate('a', 'customer', 'create', data => '{}')")
    admin.execute("SELECT sequin.cancel_mutation(id), sequin.await_mutation(id) FROM sequin.mutations")
    admin.execute("SELECT * FROM sequin.mutation_status")
    admin.execute("SELECT sequin.refresh_collections('k')")
    admin.execute(
        "SELECT sequin.create_consumer('q', 's'), sequin.create_consumer('b', 's', mode => 'batch')"
    )
    admin.execute("SELECT sequin.update_consumer('q', max_ack_pending => 10)")
    admin.execute("SELECT sequin.pause_consumer('q'), sequin.resume_consumer('q')")
    admin.execute(
        f"SELECT sequin.grant_stream('s', '{READER}'), sequin.grant_stream('s', '{CONSUMER}', 'consume')"
    )
    admin.execute(f"SELECT sequin.grant_consumer('q', '{CONSUMER}')")
    evil.sql(
        """INSERT INTO sequin.records (stream_id, id, sync_id, provider, collection_id, upstream_id, data,
                                       updated_idx, observed_at, data_hash)
           SELECT s.stream_id, gen_random_uuid(), s.id, 'stripe', 'stripe:customer', 'c' || n, '{}',
                  nextval('sequin.updated_idx'), now(), gen_random_uuid()
           FROM sequin.syncs AS s, generate_series(1, 50) AS n"""
    )
    tokens = []
    # The first call goes the whole way, the next ones the short one.
    for _ in range(4):
        tokens += [row[0] for row in consumer.execute("SELECT * FROM sequin.consume('q', 2)").fetchall()]
    assert len(tokens) == 8
    assert one(consumer, "SELECT sequin.ack('q', %s)", tokens[:2]) == 2
    assert one(consumer, "SELECT sequin.ack('q', %s)", tokens[2:3]) == 1
    assert one(consumer, "SELECT sequin.nack('q', %s)", tokens[3:4]) == 1
    assert one(consumer, "SELECT sequin.extend('q', %s, '1 min')", tokens[4:5]) == 1
    assert len(consumer.execute("SELECT * FROM sequin.fetch('b', 10)").fetchall()) == 10
    admin.execute("SELECT sequin.replay('q'), sequin.requeue('q')")
    evil.sql(f"CREATE SCHEMA views AUTHORIZATION {ADMIN}")
    admin.execute("SELECT sequin.create_view('stripe:customer', schema => 'views')")
    assert len(admin.execute("SELECT * FROM views.customer").fetchall()) == 50
    admin.execute("SELECT sequin.create_view('stripe:customer', schema => 'views', writable => true)")
    admin.execute('UPDATE views.customer SET created = pg_catalog.now(), metadata = \'{"a": "b"}\'')
    admin.execute("INSERT INTO views.customer (name) VALUES ('Ada')")
    admin.execute("DELETE FROM views.customer")
    admin.execute("SELECT * FROM sequin.consumer_status")
    admin.execute("SELECT * FROM sequin.status")
    admin.execute(f"SELECT sequin.revoke_stream('s', '{READER}'), sequin.revoke_consumer('q', '{CONSUMER}')")
    admin.execute("SELECT sequin.delete_consumer('b')")
    admin.execute("SELECT sequin.delete_sync('a')")
    admin.execute("SELECT sequin.delete_credential('k')")
    admin.execute("SELECT sequin.delete_stream('s', true)")
    assert evil.sql("SELECT DISTINCT who, what FROM evil.caught") == []


def test_a_function_of_somebody_else_has_the_rights_of_its_owner(two_streams: Database, as_role: As) -> None:
    """Whoever lures an administrator into their own function gets no more than they have themselves."""
    two_streams.sql("SELECT sequin.grant_consumer('queue s', %s)", CONSUMER)
    two_streams.sql(f"GRANT CREATE ON SCHEMA public TO {CONSUMER}")
    consumer = as_role(CONSUMER)
    consumer.execute(
        "CREATE FUNCTION public.lure(name text) RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " AS 'SELECT count(*) FROM sequin.consume(name, 10)'"
    )
    for role in (ADMIN, "postgres"):
        victim = as_role(role)
        assert one(victim, "SELECT count(*) FROM sequin.consume('queue t', 1)") == 1
        assert one(victim, "SELECT public.lure('queue s')") in (0, 5)
        refused(victim, "SELECT public.lure('queue t')")


def test_what_a_superuser_refreshes_for_a_reader_has_the_readers_rows(
    two_streams: Database, as_role: As
) -> None:
    two_streams.sql("SELECT sequin.grant_stream('s', %s)", READER)
    two_streams.sql(f"GRANT CREATE ON SCHEMA public TO {READER}")
    as_role(READER).execute(
        "CREATE MATERIALIZED VIEW public.mine AS SELECT * FROM sequin.records WITH NO DATA"
    )
    two_streams.sql("REFRESH MATERIALIZED VIEW public.mine")
    assert two_streams.value("SELECT array_agg(DISTINCT stream_id) FROM public.mine") == [STREAM]


def test_a_worker_is_no_superuser(database: Database, stripe: Upstream) -> None:
    """A trigger that a superuser has put on a table runs as the worker's role, and does not get out of it."""
    database.sql("CREATE TABLE public.seen (who name, session name, is_super boolean, outcomes text[])")
    database.sql("GRANT INSERT ON public.seen TO PUBLIC")
    database.sql(
        """CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql AS $$
           DECLARE
               attempt text;
               outcomes text[] := '{}';
           BEGIN
               FOREACH attempt IN ARRAY ARRAY[
                   'SET SESSION AUTHORIZATION DEFAULT', 'SET SESSION AUTHORIZATION postgres', 'RESET ROLE',
                   'SET ROLE postgres', 'SELECT pg_read_file(''PG_VERSION'')'
               ] LOOP
                   BEGIN
                       EXECUTE attempt;
                       outcomes := outcomes || 'done'::text;
                   EXCEPTION WHEN insufficient_privilege THEN
                       outcomes := outcomes || 'refused'::text;
                   END;
               END LOOP;
               INSERT INTO public.seen
               SELECT current_user, session_user, r.rolsuper, outcomes
               FROM pg_roles AS r WHERE r.rolname = current_user;
               RETURN NULL;
           END $$"""
    )
    database.sql(
        "CREATE TRIGGER spy AFTER INSERT ON sequin.records FOR EACH STATEMENT EXECUTE FUNCTION public.spy()"
    )
    stripe.seed(customer=20)
    start_sync(database, stripe, ["customer"]).wait(20).converge()
    expected = (OWNER, OWNER, False, ["refused"] * 5)
    assert database.sql("SELECT DISTINCT who, session, is_super, outcomes FROM public.seen") == [expected]


def test_a_worker_without_its_role_says_so_and_comes_back(database: Database, stripe: Upstream) -> None:
    stripe.seed(customer=20)
    sync = start_sync(database, stripe, ["customer"]).wait(20)
    since = database.cluster.log_size()
    database.sql(f"ALTER ROLE {OWNER} RENAME TO t_renamed")
    try:
        database.cluster.end_worker(database.name)
        eventually(
            lambda: f'there is no role "{OWNER}"' in database.cluster.log_text(since), what=database.status
        )
        assert OWNER in database.value("SELECT waiting_for FROM sequin.status")
    finally:
        database.sql(f"ALTER ROLE t_renamed RENAME TO {OWNER}")
    stripe.update("customer", stripe.any_id("customer"), name="after the renaming")
    sync.converge(45)


def test_the_roles_worker_stays_as_long_as_anything_belongs_to_it(database: Database) -> None:
    with pytest.raises(errors.DependentObjectsStillExist):
        database.sql(f"DROP ROLE {OWNER}")


# Settings, and CREATE EXTENSION


@pytest.mark.parametrize("role", ALL)
def test_settings_are_the_servers(roles: Database, as_role: As, role: str) -> None:
    conn = as_role(role)
    settings = [row[0] for row in roles.sql("SELECT name FROM pg_settings WHERE name LIKE 'sequin.%'")]
    assert len(settings) >= 9
    for setting in settings:
        with pytest.raises(errors.CantChangeRuntimeParam):
            conn.execute("SELECT set_config(%s, '1', false)", [setting])
        refused(conn, f"ALTER SYSTEM SET {setting} = '1'")
    refused(conn, "SHOW sequin.key_file")


def test_a_schema_of_somebody_else_is_not_taken(cluster: Cluster, roles: Database) -> None:
    other = cluster.database("planted", extension=False)
    try:
        other.sql(f"CREATE SCHEMA sequin AUTHORIZATION {STRANGER}")
        with pytest.raises(errors.ObjectNotInPrerequisiteState):
            other.sql("CREATE EXTENSION sequin")
        other.sql("ALTER SCHEMA sequin OWNER TO postgres")
        other.sql("CREATE FUNCTION sequin.f() RETURNS boolean LANGUAGE sql AS 'SELECT true'")
        with pytest.raises(errors.ObjectNotInPrerequisiteState):
            other.sql("CREATE EXTENSION sequin")
        other.sql("DROP FUNCTION sequin.f")
        other.sql(f"GRANT CREATE ON SCHEMA sequin TO {STRANGER}")
        with pytest.raises(errors.ObjectNotInPrerequisiteState):
            other.sql("CREATE EXTENSION sequin")
        other.sql(f"REVOKE CREATE ON SCHEMA sequin FROM {STRANGER}")
        other.sql("CREATE EXTENSION sequin")
    finally:
        other.drop()


def test_a_role_that_is_there_already(cluster: Cluster, roles: Database) -> None:
    other = cluster.database("with_roles", extension=False)
    try:
        roles.sql("ALTER ROLE sequin_reader SUPERUSER")
        with pytest.raises(errors.ObjectNotInPrerequisiteState) as refusal:
            other.sql("CREATE EXTENSION sequin")
        assert "sequin_reader" in str(refusal.value)
        roles.sql("ALTER ROLE sequin_reader NOSUPERUSER LOGIN")
        with other.connect() as conn:
            notices: list[str] = []
            conn.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
            conn.execute("CREATE EXTENSION sequin")
        assert notices == ["the role sequin_reader is there already, and may log in"]
    finally:
        roles.sql("ALTER ROLE sequin_reader NOSUPERUSER NOLOGIN")
        other.drop()
