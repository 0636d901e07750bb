//! What the SQL functions do, each within one transaction that is rolled back.

use pgrx::prelude::*;

#[pg_schema]
mod tests {
    use pgrx::prelude::*;

    fn run(sql: &str) {
        Spi::run(sql).unwrap_or_else(|problem| panic!("{sql}: {problem}"));
    }

    fn get<T: FromDatum + IntoDatum>(sql: &str) -> Option<T> {
        Spi::get_one(sql).unwrap_or_else(|problem| panic!("{sql}: {problem}"))
    }

    fn text(sql: &str) -> String {
        get(sql).unwrap_or_default()
    }

    fn is_true(condition: &str) {
        assert_eq!(get::<bool>(&format!("SELECT {condition}")), Some(true), "{condition}");
    }

    /// Runs `sql`, which must fail, and gives SQLSTATE, message, detail and hint.
    fn refused(sql: &str) -> [String; 4] {
        run("CREATE OR REPLACE FUNCTION pg_temp.refused(sql text) RETURNS text[] LANGUAGE plpgsql AS $$
             DECLARE message text; detail text; hint text;
             BEGIN
                 EXECUTE sql;
                 RETURN NULL;
             EXCEPTION WHEN OTHERS THEN
                 GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
                 RETURN ARRAY[SQLSTATE, message, detail, hint];
             END $$");
        let parts = Spi::get_one_with_args::<Vec<String>>("SELECT pg_temp.refused($1)", &[sql.into()]);
        let parts = parts.unwrap_or_default().unwrap_or_else(|| panic!("it was accepted: {sql}"));
        parts.try_into().unwrap_or_else(|_| panic!("not four parts: {sql}"))
    }

    fn assert_refused(sql: &str, code: &str, words: &str) {
        let [sqlstate, message, detail, hint] = refused(sql);
        assert_eq!(sqlstate, code, "{sql}: {message}");
        assert!(!detail.is_empty() && !hint.is_empty(), "{sql}: no DETAIL or no HINT for {message}");
        let all = format!("{message} {detail} {hint}");
        assert!(all.contains(words), "{sql}: {all}");
    }

    // Tests run beside each other: this name first, then a role of the test's own.
    const CREDENTIAL: &str = r#"SELECT sequin.create_credential('key', 'stripe', '{"kind": "api_key", "api_key": "sk_test_canary"}')"#;

    fn make_sync() {
        run("SELECT sequin.create_stream('main')");
        run(CREDENTIAL);
        run("SELECT sequin.create_sync('s', 'main', 'key', '{customer, stripe:product}', external_id => 'x-1',
                                       metadata => '{\"team\": \"eu\"}')");
    }

    /// Applies a page of customers; `objects` is an SQL array of JSON texts with an id.
    fn apply(observed: &str, objects: &str, deleted: bool) -> (i32, i32) {
        apply_created(observed, objects, deleted, "NULL")
    }

    /// The same, with an SQL expression for when they were created.
    fn apply_created(observed: &str, objects: &str, deleted: bool, created: &str) -> (i32, i32) {
        let sql = format!(
            "SELECT a.inserted, a.changed FROM sequin.syncs s,
                 LATERAL (SELECT array_agg(gen_random_uuid()) ids, array_agg(o::jsonb ->> 'id') keys, array_agg(o) datas,
                                 array_agg(md5(o)::uuid) hashes, array_agg({deleted}) deletions,
                                 array_agg(({created})::timestamptz) created, array_agg(NULL::timestamptz) moments,
                                 array_agg(NULL::text) parents
                          FROM unnest({objects}) o) p,
                 LATERAL sequin._apply_page(s.stream_id, s.id, 'stripe', 'stripe:customer', '{observed}', p.ids, p.keys,
                                            p.datas, p.hashes, p.deletions, p.created, p.moments, p.parents) a
             WHERE s.name = 's'"
        );
        let (inserted, changed) =
            Spi::get_two::<i32, i32>(&sql).unwrap_or_else(|problem| panic!("{sql}: {problem}"));
        (inserted.unwrap_or(-1), changed.unwrap_or(-1))
    }

    const DAY_1: &str = "2026-01-01 00:00:00Z";
    const DAY_2: &str = "2026-01-02 00:00:00Z";
    const DAY_3: &str = "2026-01-03 00:00:00Z";

    #[pg_test]
    fn streams_are_made_and_deleted() {
        is_true("sequin.create_stream('main', '{\"a\": 1}') IS NOT NULL");
        assert_eq!(text("SELECT metadata::text FROM sequin.streams WHERE name = 'main'"), r#"{"a": 1}"#);
        assert_refused("SELECT sequin.create_stream('main')", "42710", "main");
        assert_refused("SELECT sequin.create_stream(NULL)", "22004", "name");
        assert_refused("SELECT sequin.create_stream('')", "22023", "empty");
        assert_refused("SELECT sequin.create_stream('x', '[]')", "22023", "array");
        assert_refused("SELECT sequin.delete_stream('mian')", "42704", "Did you mean \"main\"?");
        run("SELECT sequin.delete_stream('main')");
        is_true("NOT EXISTS (SELECT FROM sequin.streams)");
    }

    #[pg_test]
    fn a_stream_in_use_goes_by_force_only() {
        make_sync();
        run("SELECT sequin.create_consumer('c', 'main')");
        apply(DAY_1, r#"ARRAY['{"id": "a"}']"#, false);
        assert_refused("SELECT sequin.delete_stream('main')", "2BP01", "sync s");
        run("SELECT sequin.delete_stream('main', force => true)");
        is_true("NOT EXISTS (SELECT FROM sequin.syncs) AND NOT EXISTS (SELECT FROM sequin.records)");
        is_true("NOT EXISTS (SELECT FROM sequin.consumers)");
    }

    #[pg_test]
    fn credentials_are_sealed_and_masked() {
        run(CREDENTIAL);
        assert_eq!(text("SELECT properties ->> 'api_key' FROM sequin.credentials"), "********");
        is_true("(SELECT position('sk_test_canary'::bytea IN sealed) = 0 FROM sequin._credentials)");
        is_true("(SELECT c::text NOT LIKE '%canary%' FROM sequin._credentials c)");
        run("SELECT sequin.update_credential('key', '{\"api_key\": \"sk_test_other\"}', '{\"m\": 1}')");
        assert_eq!(text("SELECT metadata::text FROM sequin.credentials"), r#"{"m": 1}"#);
        run("SELECT sequin.delete_credential('key')");
        is_true("NOT EXISTS (SELECT FROM sequin.credentials)");
    }

    #[pg_test]
    fn bad_credentials_are_refused_without_showing_them() {
        let create =
            |properties: &str| format!("SELECT sequin.create_credential('c', 'stripe', '{properties}')");
        for (properties, code, words) in [
            (r#"{"kind": "api_key"}"#, "22023", "api_key"),
            (r#"{"kind": "oauth", "api_key": "sk_secret"}"#, "22023", "api_key"),
            (r#"{"api_key": ["sk_secret"]}"#, "22023", "array"),
            (r#"{"api_key": "sk_secret\n"}"#, "22023", "header"),
            (r#"{"api_key": "sk_secret", "apikey": "sk_secret"}"#, "22023", "api_key"),
            (r#"{"api_key": "sk_secret", "base_url": "nonsense"}"#, "22023", "base_url"),
            (
                r#"{"api_key": "sk_secret", "base_url": "https://u:sk_secret@api.stripe.com"}"#,
                "22023",
                "password",
            ),
            (
                r#"{"api_key": "sk_secret", "base_url": "http://api.stripe.com"}"#,
                "22023",
                "allow_private_networks",
            ),
            (
                r#"{"api_key": "sk_secret", "base_url": "https://10.0.0.1"}"#,
                "22023",
                "allow_private_networks",
            ),
            (r#"{"api_key": "sk_secret", "base_url": "https://[::1]"}"#, "22023", "allow_private_networks"),
            (r#""sk_secret""#, "22023", "string"),
        ] {
            let sql = create(properties);
            assert_refused(&sql, code, words);
            assert!(!refused(&sql).concat().contains("sk_secret"), "{sql} shows the secret");
        }
        assert_refused("SELECT sequin.create_credential('c', 'strip', '{}')", "42704", "\"stripe\"");
        assert_refused("SELECT sequin.delete_credential('c')", "42704", "create_credential");
    }

    #[pg_test]
    fn a_base_url_cannot_be_changed_to_steal_the_secret() {
        run(CREDENTIAL);
        let url = r#""base_url": "https://evil.example.com""#;
        assert_refused(&format!("SELECT sequin.update_credential('key', '{{{url}}}')"), "22023", "secrets");
        run(&format!("SELECT sequin.update_credential('key', '{{{url}, \"api_key\": \"sk_test_2\"}}')"));
        assert_eq!(
            text("SELECT properties ->> 'base_url' FROM sequin.credentials"),
            "https://evil.example.com"
        );
    }

    fn create_with(property: &str) -> String {
        format!("SELECT sequin.create_credential('key', 'stripe', '{{\"api_key\": {property}}}')")
    }

    #[pg_test]
    fn a_secret_can_be_kept_outside_of_the_database() {
        run(&create_with(r#"{"env": "PATH"}"#));
        assert_eq!(text("SELECT properties ->> 'api_key' FROM sequin.credentials"), r#"{"env": "PATH"}"#);
        for (property, words) in [
            (r#"{"env": "SEQUIN_NOT_THERE"}"#, "not set"),
            (r#"{"env": "A-B"}"#, "underscores"),
            (r#"{"file": "secret"}"#, "begin with /"),
            (r#"{"file": "/dev/null"}"#, "regular file"),
            (r#"{"file": "/there/is/none"}"#, "/there/is/none"),
            (r#"{"file": "/etc/hostname", "env": "PATH"}"#, "either"),
            (r#"{"vault": "PATH"}"#, "either"),
            ("{}", "either"),
        ] {
            assert_refused(&create_with(property), "22023", words);
        }
    }

    #[pg_test]
    fn what_is_outside_is_a_superusers_to_name() {
        run(&create_with(r#"{"env": "PATH"}"#));
        run("CREATE ROLE sequin_clerk IN ROLE sequin_admin");
        run("SET LOCAL ROLE sequin_clerk");
        assert_refused(&create_with(r#"{"env": "HOME"}"#), "42501", "superuser");
        let update = |given: &str| format!("SELECT sequin.update_credential('key', '{given}')");
        assert_refused(&update(r#"{"api_key": {"env": "HOME"}}"#), "42501", "superuser");
        assert_refused(&update(r#"{"base_url": "https://evil.example.com"}"#), "22023", "secrets");
        run(&update(r#"{"api_key": "sk_test_1", "base_url": "https://api.example.com"}"#));
        run("RESET ROLE");
        assert_eq!(text("SELECT properties ->> 'api_key' FROM sequin.credentials"), "********");
    }

    #[pg_test]
    fn a_rotated_key_seals_what_is_there_and_can_be_opened_still() {
        run(CREDENTIAL);
        let old = text("SELECT key_id FROM sequin.credentials");
        let updated_at = text("SELECT updated_at::text FROM sequin.credentials");
        let new = text("SELECT sequin.rotate_key()");
        assert_ne!(old, new);
        assert_eq!(text("SELECT key_id FROM sequin.credentials"), new);
        // The worker takes a credential for another one where this changes.
        assert_eq!(text("SELECT updated_at::text FROM sequin.credentials"), updated_at);
        // It is opened for what is not given.
        run("SELECT sequin.update_credential('key', metadata => '{\"m\": 1}')");
        assert_refused("SELECT sequin.rotate_key(NULL)", "22004", "forget_old_keys");
        assert_refused("SELECT sequin.rotate_key(forget_old_keys => true)", "25001", "rolled back");
    }

    #[pg_test]
    fn a_role_that_may_only_create_credentials_can() {
        run("CREATE ROLE sequin_maker");
        run("GRANT USAGE ON SCHEMA sequin TO sequin_maker");
        run("GRANT EXECUTE ON FUNCTION sequin.create_credential(text, text, jsonb, jsonb) TO sequin_maker");
        run("SET LOCAL ROLE sequin_maker");
        run(CREDENTIAL);
        assert_eq!(refused("SELECT * FROM sequin.credentials")[0], "42501");
        assert_eq!(refused("SELECT sequin.delete_credential('key')")[0], "42501");
    }

    #[pg_test]
    fn a_sync_starts_with_a_backfill_of_each_collection() {
        make_sync();
        assert_eq!(
            text(
                "SELECT string_agg(collection_id || ' ' || kind || ' ' || state, ', ' ORDER BY collection_id) FROM sequin.backfills"
            ),
            "stripe:customer initial pending, stripe:product initial pending"
        );
        assert_eq!(text("SELECT state FROM sequin.status WHERE sync = 's'"), "backfilling");
        run("SELECT sequin.update_sync('s', collections => '{product, price}', frequency => '90s')");
        assert_eq!(text("SELECT frequency FROM sequin.syncs"), "90s");
        assert_eq!(
            text(
                "SELECT string_agg(collection_id, ', ' ORDER BY collection_id) FROM sequin.sync_collections"
            ),
            "stripe:price, stripe:product"
        );
        is_true("(SELECT count(*) FROM sequin.backfills) = 2");
        run("SELECT sequin.pause_sync('s')");
        assert_eq!(text("SELECT state FROM sequin.status"), "paused");
        run("SELECT sequin.resume_sync('s')");
        assert_refused("SELECT sequin.delete_credential('key')", "2BP01", "s");
        run("SELECT sequin.delete_sync('s')");
        is_true("NOT EXISTS (SELECT FROM sequin.backfills)");
    }

    #[pg_test]
    fn bad_syncs_are_refused() {
        make_sync();
        for (arguments, code, words) in [
            ("'t', 'man', 'key', '{customer}'", "42704", "\"main\""),
            ("'t', 'main', 'kye', '{customer}'", "42704", "\"key\""),
            ("'t', 'main', 'key', '{custmer}'", "42704", "\"stripe:customer\""),
            ("'t', 'main', 'key', '{github:issue}'", "42704", "github:issue"),
            ("'t', 'main', 'key', '{}'", "22023", "at least one"),
            ("'t', 'main', 'key', '{NULL}'", "22004", "collections"),
            ("'t', 'main', 'key', NULL", "22004", "collections"),
            ("'t', 'main', 'key', '{customer}', frequency => 'often'", "22023", "continuous"),
            ("'t', 'main', 'key', '{customer}', rate_limit => '{}'", "22023", "allowed_requests"),
            (
                "'t', 'main', 'key', '{customer}', rate_limit => '{\"allowed_requests\": 0, \"interval\": 1}'",
                "22023",
                "allowed_requests",
            ),
            (
                "'t', 'main', 'key', '{customer}', rate_limit => '{\"allowed_requests\": 1, \"interval\": -1}'",
                "22023",
                "interval",
            ),
            ("'t', 'main', 'key', '{customer}', max_age => '-1 day'", "22023", "max_age"),
            ("'t', 'main', 'key', '{customer}', max_age => '1001 years'", "22023", "max_age"),
            ("'t', 'main', 'key', '{customer}', options => '{\"a\": 1}'", "22023", "option"),
            ("'t', 'main', 'key', '{customer}', options => '[]'", "22023", "array"),
            ("'s', 'main', 'key', '{customer}'", "42710", "update_sync"),
        ] {
            assert_refused(&format!("SELECT sequin.create_sync({arguments})"), code, words);
        }
    }

    #[pg_test]
    fn backfills_are_started_once_and_cancelled() {
        make_sync();
        let id: pgrx::Uuid =
            get("SELECT sequin.start_backfill('s', 'customer', since => '2026-01-01')").unwrap();
        assert_refused("SELECT sequin.start_backfill('s', 'customer')", "55006", "cancel_backfill");
        assert_refused("SELECT sequin.start_backfill('s', 'price')", "42704", "update_sync");
        run(&format!("SELECT sequin.cancel_backfill('{id}')"));
        assert_refused(&format!("SELECT sequin.cancel_backfill('{id}')"), "55000", "cancelled");
        assert_refused("SELECT sequin.cancel_backfill(gen_random_uuid())", "42704", "does not exist");
    }

    #[pg_test]
    fn a_backfill_begins_with_one_range() {
        make_sync();
        run("SELECT sequin.start_backfill('s', 'customer', since => '2026-01-01')");
        is_true(
            "(SELECT count(*) = 3 AND bool_and(r.no = 1 AND r.from_at IS NULL AND r.before_at IS NULL AND NOT r.done)
              FROM sequin.backfills b JOIN sequin._backfill_ranges r ON r.backfill_id = b.id)",
        );
        is_true("(SELECT bool_and(ranges = 1 AND ranges_done = 0) FROM sequin.backfill_progress)");
        run("SELECT sequin.delete_sync('s')");
        is_true("NOT EXISTS (SELECT FROM sequin._backfill_ranges)");
    }

    #[pg_test]
    fn a_backfill_says_that_it_waits_for_an_export() {
        make_sync();
        let waits = |stage: &str| {
            run(&format!(
                r#"UPDATE sequin._backfill_ranges
                   SET position = '{{"levels": [[{{"beneath": "root", "after": {{"export": {{"stage": {stage}}}}}}}]]}}'"#
            ));
            text("SELECT waiting_for FROM sequin.backfill_progress WHERE collection_id = 'stripe:customer'")
        };
        for stage in
            [r#""counting""#, r#"{"starting": {"busy_since": null}}"#, r#"{"reading": {"job": "j"}}"#]
        {
            assert_eq!(waits(stage), "", "{stage}");
        }
        assert_eq!(waits(r#"{"starting": {"busy_since": 1}}"#), "another export to end");
        let running = r#"{"running": {"job": "750x", "requested_at": 1700000000000000}}"#;
        assert!(waits(running).starts_with("the export 750x, which was asked for at 2023-11-1"));
        run("SELECT sequin.pause_sync('s')");
        assert_eq!(waits(running), "", "nobody asks for it");
    }

    #[pg_test]
    fn ranges_with_known_ends_give_an_estimate() {
        make_sync();
        let progress = |column: &str| {
            text(&format!(
                "SELECT {column}::text FROM sequin.backfill_progress WHERE collection_id = 'stripe:customer'"
            ))
        };
        let ranges = |change: &str| {
            run(&format!(
                "WITH b AS (SELECT id FROM sequin.backfills WHERE collection_id = 'stripe:customer') {change}"
            ));
        };
        assert_eq!(progress("estimated_records"), "");
        run("UPDATE sequin.backfills
             SET state = 'running', records = 300, started_at = '2026-01-11', last_page_at = '2026-01-11 00:00:30'
             WHERE collection_id = 'stripe:customer'");
        // A hundred a day, and two days to go.
        ranges(
            "UPDATE sequin._backfill_ranges r
             SET from_at = '2026-01-06', reached_at = '2026-01-08', records = 300, pages = 3, position = '{}'
             FROM b WHERE r.backfill_id = b.id",
        );
        assert_eq!(progress("estimated_records"), "500");
        assert_eq!(progress("estimated_time_left"), "00:00:20");
        // Five days of which nothing is known yet.
        ranges(
            "INSERT INTO sequin._backfill_ranges (backfill_id, no, from_at, before_at)
             SELECT id, 2, '2026-01-01', '2026-01-06' FROM b",
        );
        assert_eq!(progress("estimated_records"), "1000");
        ranges(
            "INSERT INTO sequin._backfill_ranges (backfill_id, no, before_at) SELECT id, 3, '2026-01-01' FROM b",
        );
        assert_eq!(progress("estimated_records"), "", "nobody knows how far it goes");
        let unfinished = "SELECT jsonb_array_length(cursor -> 'backfill')::text FROM sequin.sync_collections
                          WHERE collection_id = 'stripe:customer'";
        assert_eq!(text(unfinished), "3");
        ranges(
            "UPDATE sequin._backfill_ranges r SET done = true FROM b WHERE r.backfill_id = b.id AND r.no = 3",
        );
        assert_eq!(progress("estimated_records"), "1000");
        assert_eq!(progress("ranges || ' ' || ranges_done"), "3 1");
        assert_eq!(text(unfinished), "2");
    }

    #[pg_test]
    fn who_cancels_the_initial_backfill_does_without_the_past() {
        make_sync();
        run("SELECT sequin.cancel_backfill(id) FROM sequin.backfills");
        assert_eq!(text("SELECT state FROM sequin.status"), "syncing");
        run("SELECT sequin.wait_for_sync('s', '0 s')");
    }

    #[pg_test]
    fn a_page_is_applied_once() {
        make_sync();
        let page = r#"ARRAY['{"id": "a", "v": 1}', '{"id": "b", "v": 1}']"#;
        assert_eq!(apply(DAY_1, page, false), (2, 0));
        let before = text("SELECT string_agg(r::text, ' ' ORDER BY upstream_id) FROM sequin.records r");
        assert_eq!(apply(DAY_2, page, false), (0, 0));
        // The same object in another order and with white space: another hash, and yet no change.
        assert_eq!(apply(DAY_2, r#"ARRAY['{"v":1,  "id": "a"}']"#, false), (0, 0));
        assert_eq!(
            text("SELECT string_agg(r::text, ' ' ORDER BY upstream_id) FROM sequin.records r"),
            before
        );
        assert_eq!(apply(DAY_2, r#"ARRAY['{"id": "a", "v": 2}', '{"id": "c", "v": 1}']"#, false), (1, 1));
        is_true("(SELECT count(DISTINCT updated_idx) = 3 FROM sequin.records)");
    }

    #[pg_test]
    fn what_is_older_than_the_sync_keeps_is_not_stored_anew() {
        make_sync();
        let old = "now() - interval '40 days'";
        assert_eq!(apply_created(DAY_1, r#"ARRAY['{"id": "kept"}']"#, false, old), (1, 0));
        run("SELECT sequin.update_sync('s', max_age => '30 days')");
        assert_eq!(apply_created(DAY_2, r#"ARRAY['{"id": "old"}']"#, false, old), (0, 0));
        assert_eq!(apply_created(DAY_2, r#"ARRAY['{"id": "young"}']"#, false, "now()"), (1, 0));
        assert_eq!(apply_created(DAY_2, r#"ARRAY['{"id": "ageless"}']"#, false, "NULL"), (1, 0));
        // What is still there is kept in step until retention comes by.
        assert_eq!(apply_created(DAY_2, r#"ARRAY['{"id": "kept", "v": 2}']"#, false, old), (0, 1));
        run("SELECT sequin.update_sync('s', max_age => '50 days')");
        assert_eq!(apply_created(DAY_2, r#"ARRAY['{"id": "old"}']"#, false, old), (1, 0));
    }

    #[pg_test]
    fn an_older_answer_changes_nothing() {
        make_sync();
        apply(DAY_2, r#"ARRAY['{"id": "a", "v": 2}']"#, false);
        assert_eq!(apply(DAY_1, r#"ARRAY['{"id": "a", "v": 1}']"#, false), (0, 0));
        assert_eq!(apply(DAY_1, r#"ARRAY['{"id": "a", "v": 2}']"#, true), (0, 0));
        assert_eq!(apply(DAY_3, r#"ARRAY['{"id": "a", "v": 3}']"#, false), (0, 1));
    }

    #[pg_test]
    fn a_record_keeps_its_id_through_death_and_return() {
        make_sync();
        apply(DAY_1, r#"ARRAY['{"id": "a"}']"#, false);
        let id = text("SELECT id::text FROM sequin.records");
        assert_eq!(apply(DAY_2, r#"ARRAY['{"id": "a"}']"#, true), (0, 1));
        assert_eq!(apply(DAY_2, r#"ARRAY['{"id": "a"}']"#, true), (0, 0));
        is_true("(SELECT deleted FROM sequin.records)");
        assert_eq!(apply(DAY_3, r#"ARRAY['{"id": "a"}']"#, false), (0, 1));
        is_true("(SELECT NOT deleted FROM sequin.records)");
        assert_eq!(text("SELECT id::text FROM sequin.records"), id);
        assert_eq!(apply(DAY_3, r#"ARRAY['{"id": "never seen"}']"#, true), (0, 0));
    }

    fn events() -> String {
        text("SELECT string_agg(event, ' ' ORDER BY id) FROM sequin.sync_log")
    }

    /// Writes a failure down as the worker does.
    fn fail(table: &str, class: &str, failures: i32) {
        run(&format!(
            "UPDATE sequin.{table}
             SET failure_class = '{class}', error = 'no', failed_at = clock_timestamp(), failures = {failures},
                 failing_since = coalesce(failing_since, clock_timestamp()), retry_at = now() + interval '1 min'
             {}",
            if table == "_feeds" { "" } else { "WHERE collection_id = 'stripe:customer'" }
        ));
    }

    fn recover(table: &str) {
        run(&format!(
            "UPDATE sequin.{table} SET failure_class = NULL, failures = 0, failing_since = NULL, retry_at = NULL"
        ));
    }

    #[pg_test]
    fn what_happens_to_a_sync_is_written_down_once() {
        make_sync();
        assert_eq!(events(), "");
        for call in ["pause_sync('s')", "pause_sync('s')", "resume_sync('s')"] {
            run(&format!("SELECT sequin.{call}"));
        }
        for _ in 0..2 {
            run("SELECT sequin.update_sync('s', frequency => '90s', metadata => '{\"team\": \"eu\"}')");
        }
        assert_eq!(events(), "paused resumed changed");
        assert_eq!(
            text("SELECT detail::text FROM sequin.sync_log WHERE event = 'changed'"),
            r#"{"frequency": "90s"}"#
        );
        run("SELECT sequin.cancel_backfill(sequin.start_backfill('s', 'customer'))");
        assert_eq!(events(), "paused resumed changed backfill_cancelled");
        is_true("(SELECT bool_and(sync = 's') FROM sequin.sync_log)");
        run("SELECT sequin.delete_sync('s')");
        is_true("NOT EXISTS (SELECT FROM sequin._sync_log)");
    }

    #[pg_test]
    fn a_history_has_an_end() {
        make_sync();
        run(
            "SELECT sequin._log_sync(s.id, NULL, 'event ' || n) FROM sequin.syncs s, generate_series(1, 1050) n",
        );
        is_true("(SELECT count(*) = 1000 FROM sequin.sync_log)");
        is_true("(SELECT event = 'event 51' FROM sequin.sync_log ORDER BY id LIMIT 1)");
        is_true("(SELECT event = 'event 1050' FROM sequin.sync_log ORDER BY id DESC LIMIT 1)");
    }

    #[pg_test]
    fn a_failure_changes_the_health_and_is_written_down_once() {
        make_sync();
        let health = || {
            text(
                "SELECT string_agg(health, ' ' ORDER BY collection_id) || ' ' ||
                        (SELECT health FROM sequin.status)
                 FROM sequin.sync_collections",
            )
        };
        assert_eq!(health(), "healthy healthy healthy");
        for failures in 1..=6 {
            fail("_sync_collections", "transient", failures);
            let expected = if failures < 5 { "degraded" } else { "failing" };
            assert_eq!(health(), format!("{expected} healthy {expected}"));
        }
        fail("_sync_collections", "permission", 7);
        assert_eq!(events(), "failing");
        is_true(
            "(SELECT health_since >= failing_since FROM sequin.sync_collections WHERE health = 'failing')",
        );
        recover("_sync_collections");
        assert_eq!(health(), "healthy healthy healthy");
        assert_eq!(events(), "failing recovered");
        is_true(
            "(SELECT error IS NULL AND last_error = 'no' AND last_error_at IS NOT NULL AND failing_since IS NULL
              FROM sequin.sync_collections WHERE collection_id = 'stripe:customer')",
        );
        assert_eq!(text("SELECT last_error FROM sequin.status"), "stripe:customer: no");
        // The failure of a feed is that of all who listen to it, and one event.
        fail("_feeds", "bad_data", 1);
        assert_eq!(health(), "failing failing failing");
        assert_eq!(text("SELECT state FROM sequin.status"), "failing");
        assert_eq!(events(), "failing recovered failing");
        recover("_feeds");
        assert_eq!(events(), "failing recovered failing recovered");
        is_true("(SELECT state_since > (SELECT min(at) FROM sequin.sync_log) FROM sequin.status)");
    }

    #[pg_test]
    fn a_refused_credential_concerns_all_that_depends_on_it() {
        make_sync();
        run("SELECT sequin.create_sync('t', 'main', 'key', '{price}')");
        fail("_sync_collections", "credential", 1);
        is_true("(SELECT count(*) = 2 AND bool_and(health = 'failing') FROM sequin.status)");
        is_true(
            "(SELECT bool_and(failure_class = 'credential' AND error <> '') FROM sequin.sync_collections)",
        );
        is_true("(SELECT bool_and(waiting_for LIKE 'the credential key %') FROM sequin.status)");
        is_true("(SELECT bool_and(hint LIKE '%update_credential%') FROM sequin.status)");
        assert_eq!(events(), "credential_refused credential_refused");
        // That nobody answers says nothing about the credential.
        fail("_sync_collections", "transient", 2);
        is_true("(SELECT bool_and(failure_class = 'credential') FROM sequin.sync_collections)");
        fail("_sync_collections", "credential", 3);
        recover("_sync_collections");
        is_true("(SELECT bool_and(health = 'healthy') FROM sequin.status)");
        assert_eq!(events(), "credential_refused credential_refused credential_accepted credential_accepted");
        // Whoever was refused is gone: that is no answer.
        fail("_sync_collections", "credential", 1);
        run("SELECT sequin.delete_sync('s')");
        is_true("(SELECT health = 'healthy' FROM sequin.status)");
        is_true("NOT EXISTS (SELECT FROM sequin._refusals)");
    }

    #[pg_test]
    fn deletions_that_were_held_back_are_confirmed_once() {
        make_sync();
        assert_refused("SELECT sequin.confirm_deletes('s', 'customer')", "55000", "held_back");
        assert_refused("SELECT sequin.confirm_deletes('s', 'price')", "42704", "update_sync");
        run("UPDATE sequin._sync_collections
             SET guarded_at = now(), guarded_missing = 300, guarded_total = 400 WHERE collection_id = 'stripe:customer'");
        is_true(
            "(SELECT health = 'failing' AND failure_class = 'guarded' AND held_back = 300 AND error LIKE '%300 of 400%'
                     AND hint LIKE '%sequin.confirm_deletes(''s'', ''stripe:customer'')%'
              FROM sequin.sync_collections WHERE collection_id = 'stripe:customer')",
        );
        run("SELECT sequin.confirm_deletes('s', 'customer')");
        is_true("(SELECT count(*) = 1 FROM sequin.backfills WHERE kind = 'sweep' AND may_delete = 300)");
        is_true("(SELECT health = 'healthy' FROM sequin.status)");
        assert_eq!(events(), "guard_stopped deletes_confirmed");
        assert_refused("SELECT sequin.confirm_deletes('s', 'customer')", "55000", "held_back");
    }

    #[pg_test]
    fn of_many_lists_that_cant_be_read_the_first_are_told() {
        make_sync();
        let sync_id = get::<pgrx::Uuid>("SELECT id FROM sequin.syncs");
        let can_be_read_again = |names: &str, is_cut: bool| {
            let unread = text(&format!(
                "SELECT jsonb_object_agg(n, '{{\"class\": \"permission\", \"error\": \"no\"}}'::jsonb)::text
                 FROM unnest('{names}'::text[]) n"
            ));
            let arguments =
                [sync_id.into(), "stripe:customer".into(), unread.into(), true.into(), is_cut.into()];
            Spi::get_one_with_args::<bool>(include_str!("../sql/store/worker/note_unread.sql"), &arguments)
                .unwrap_or_else(|problem| panic!("{names}: {problem}"))
                .unwrap_or_default()
        };
        assert!(!can_be_read_again("{b,c}", true));
        assert!(!can_be_read_again("{a,b}", true), "c has made room for a");
        assert!(can_be_read_again("{b,c}", true));
        assert!(can_be_read_again("{b}", false));
        assert!(!can_be_read_again("{b}", false));
        is_true(
            "(SELECT unread ? 'b' AND health = 'degraded' FROM sequin.sync_collections WHERE unread IS NOT NULL)",
        );
    }

    /// Looking through one list for each entry of the other takes half a minute.
    #[pg_test]
    fn a_sweep_is_compared_at_once_however_long_the_list_is() {
        make_sync();
        // As in the session of a worker.
        for setting in ["seqscan", "hashjoin", "mergejoin", "bitmapscan", "sort"] {
            run(&format!("SET LOCAL enable_{setting} = off"));
        }
        apply(
            DAY_1,
            "ARRAY(SELECT '{\"id\": \"c' || n || '\"}' FROM generate_series(10001, 50000) n)",
            false,
        );
        run("INSERT INTO sequin.backfills (id, stream_id, sync_id, collection_id, kind, state, started_at)
             SELECT gen_random_uuid(), stream_id, id, 'stripe:customer', 'sweep', 'running', now() FROM sequin.syncs");
        run("INSERT INTO sequin._sweep_pages (backfill_id, page, upstream_ids)
             SELECT b.id, n, ARRAY(SELECT 'c' || 10000 + n * 100 + k FROM generate_series(1, 100) k)
             FROM sequin.backfills b, generate_series(0, 398) n WHERE b.kind = 'sweep'");
        let begun = std::time::Instant::now();
        is_true(
            "(SELECT (c.total, c.missing, c.missing_ids, c.has_seen, c.confirmed)
                     = (40000, 100, '{c49901,c49902}'::text[], true, 0)
              FROM sequin.backfills b, sequin._compare_sweep(b.id, 2) c WHERE b.kind = 'sweep')",
        );
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
        // Of these nothing is known, or nothing is known to be gone.
        run("UPDATE sequin.records SET parent_id = CASE WHEN upstream_id < 'c49951' THEN 'p' ELSE 'q' END");
        run("UPDATE sequin._sweep_pages SET hidden_parent_id = 'p' WHERE page = 0");
        let missing = "(SELECT c.missing FROM sequin.backfills b, sequin._compare_sweep(b.id, 2) c WHERE b.kind = 'sweep')";
        is_true(&format!("{missing} = 50"));
        run("UPDATE sequin._sweep_pages SET hides_any = true WHERE page = 1");
        is_true(&format!("{missing} = 0"));
        run("UPDATE sequin._sweep_pages SET parent_ids = '{p,q}' WHERE page = 2");
        is_true(&format!("{missing} = 50"));
    }

    #[pg_test]
    fn what_was_set_aside_is_asked_for_again() {
        make_sync();
        run("INSERT INTO sequin.rejected_records (stream_id, sync_id, collection_id, upstream_id, reason, raw)
             SELECT stream_id, id, c, u, 'odd', convert_to(r, 'UTF8') FROM sequin.syncs, (VALUES
                 ('stripe:customer', 'a', '1'), ('stripe:customer', 'a', '2'), ('stripe:customer', 'b', '3'),
                 ('stripe:customer', NULL, '4'), ('stripe:product', 'p', '5')) AS v (c, u, r)");
        assert_eq!(get::<i64>("SELECT sequin.retry_rejected('s', 'customer')"), Some(2));
        is_true("(SELECT count(*) = 3 FROM sequin.rejected_records WHERE retry_requested_at IS NOT NULL)");
        assert_eq!(get::<i64>("SELECT sequin.retry_rejected('s')"), Some(3));
        assert_refused("SELECT sequin.retry_rejected('s', 'price')", "42704", "update_sync");
        // What can be stored is there no more.
        apply(DAY_1, r#"ARRAY['{"id": "a"}']"#, false);
        is_true("(SELECT count(*) = 3 FROM sequin.rejected_records)");
    }

    #[pg_test]
    fn the_views_tell_what_comes_next() {
        make_sync();
        is_true("(SELECT bool_and(next_run_at = now()) FROM sequin.sync_collections)");
        is_true(
            "(SELECT feed = 2 AND poll IS NULL AND sweep IS NULL
              FROM sequin._check_intervals('stripe', 'stripe:customer', 'continuous'))",
        );
        is_true(
            "(SELECT feed = 14400 AND poll = 14400 AND sweep = 86400
              FROM sequin._check_intervals('stripe', 'stripe:refund', '4h'))",
        );
        is_true("(SELECT feed IS NULL FROM sequin._check_intervals('stripe', 'stripe:gone', 'continuous'))");
        run("SELECT sequin.cancel_backfill(id) FROM sequin.backfills");
        run("UPDATE sequin._feeds SET polled_at = now() + interval '1 min'");
        is_true("(SELECT next_run_at = now() + interval '62 s' AND state = 'syncing' FROM sequin.status)");
        run("SELECT sequin.pause_sync('s')");
        is_true("(SELECT next_run_at IS NULL AND state_since = now() FROM sequin.status)");
    }

    #[pg_test]
    fn a_record_is_the_json_that_was_promised() {
        make_sync();
        apply(DAY_1, r#"ARRAY['{"id": "a", "big": 12345678901234567890.123456789}']"#, false);
        run("UPDATE sequin.records SET upstream_created_at = '2025-05-06 07:08:09.5+02'");
        let json = get::<pgrx::JsonB>("SELECT sequin.record_json(r) FROM sequin.records r").unwrap().0;
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        for key in [
            "id",
            "stream_id",
            "sync",
            "sync_external_id",
            "provider",
            "collection_id",
            "upstream_id",
            "data",
            "deleted",
            "inserted_at",
            "updated_idx",
            "upstream_created_at",
            "upstream_updated_at",
        ] {
            assert!(keys.contains(&key), "{key} is missing in {keys:?}");
        }
        assert_eq!(json["upstream_created_at"], "2025-05-06T05:08:09.500000Z");
        assert_eq!(json["upstream_updated_at"], serde_json::Value::Null);
        assert_eq!(json["sync"]["external_id"], "x-1");
        assert_eq!(json["sync"]["metadata"]["team"], "eu");
        assert_eq!(json["sync_external_id"], "x-1");
        assert_eq!(json["collection_id"], "stripe:customer");
        is_true("(SELECT sequin.record_json(r) -> 'data' = r.data FROM sequin.records r)");
    }

    /// What the extension puts together byte by byte is what PostgreSQL would have made, down to the last one.
    #[pg_test]
    fn a_record_is_the_jsonb_that_postgresql_would_build() {
        run("CREATE FUNCTION pg_temp.iso(t timestamptz) RETURNS text LANGUAGE sql AS
             $$ SELECT to_char(timezone('UTC', t), 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') $$");
        run(r#"CREATE TEMPORARY TABLE documents AS
               SELECT d::jsonb AS d FROM unnest(ARRAY[
                   '{}', '{"a": 1}', '[]', '[1, [2, {"b": null}]]', '7', '-1.5e300', '"text"', 'true', 'false', 'null',
                   '{"x": "é\u0001", "nested": {"deep": [[[]]], "n": 123456789012345678901234567890.5}}']) AS d
               UNION ALL SELECT jsonb_object_agg('key ' || n, n) FROM generate_series(1, 100) AS n
               UNION ALL SELECT to_jsonb(repeat('long ', 20000))"#);
        run("CREATE TEMPORARY TABLE built (ours jsonb, theirs jsonb)");
        // Sizes are compared as they are, and not as what compression makes of them.
        run("ALTER TABLE built ALTER ours SET STORAGE EXTERNAL, ALTER theirs SET STORAGE EXTERNAL");
        run("INSERT INTO built
             SELECT sequin._build_record_json(id, id, sync, ext, p, c, u, d, deleted, t, idx, t, t2),
                    jsonb_build_object(
                        'id', id, 'stream_id', id, 'sync', sync, 'sync_external_id', ext, 'provider', p,
                        'collection_id', c, 'upstream_id', u, 'data', d, 'deleted', deleted,
                        'inserted_at', pg_temp.iso(t), 'updated_idx', idx, 'upstream_created_at', pg_temp.iso(t),
                        'upstream_updated_at', pg_temp.iso(t2))
             FROM documents,
                  (VALUES ('{\"external_id\": null, \"metadata\": {}}'::jsonb, 'x-1', true), (NULL, NULL, NULL))
                      AS s (sync, ext, deleted),
                  (VALUES ('stripe', 'stripe:customer', 'cus_1'), ('', 'é', repeat('u', 5000)), (NULL, NULL, 'a'))
                      AS n (p, c, u),
                  (VALUES ('2025-05-06 07:08:09.000001+02'::timestamptz, NULL::timestamptz, 1::bigint),
                          ('0001-01-01 00:00:00+00', '9999-12-31 23:59:59.999999+00', 9223372036854775807),
                          ('1969-12-31 23:59:59.999999+00', '2000-01-01', -10000), (NULL, NULL, NULL))
                      AS v (t, t2, idx),
                  (VALUES (gen_random_uuid())) AS i (id)");
        is_true("(SELECT count(*) = 13 * 2 * 3 * 4 FROM built)");
        let differing = "SELECT string_agg(left(ours::text, 300), E'\\n') FROM built
                         WHERE ours <> theirs OR jsonb_send(ours) <> jsonb_send(theirs)
                            OR pg_column_size(ours) <> pg_column_size(theirs)
                            OR jsonb_hash_extended(ours, 0) <> jsonb_hash_extended(theirs, 0)
                            OR ours -> 'data' IS DISTINCT FROM theirs -> 'data'
                            OR (SELECT jsonb_agg(v) FROM jsonb_each(ours) AS e (k, v))
                               <> (SELECT jsonb_agg(v) FROM jsonb_each(theirs) AS e (k, v))";
        assert_eq!(get::<String>(differing), None);
    }

    #[pg_test]
    fn a_stream_is_read_page_by_page() {
        make_sync();
        for n in 0..5 {
            apply(DAY_1, &format!(r#"ARRAY['{{"id": "c{n}"}}']"#), false);
        }
        let page = |after: &str| {
            text(&format!(
                "SELECT string_agg(record ->> 'upstream_id', ',' ORDER BY updated_idx)
                 FROM sequin.read_stream('main', {after}, 3)"
            ))
        };
        assert_eq!(page("0"), "c0,c1,c2");
        assert_eq!(page("(SELECT max(updated_idx) FROM sequin.read_stream('main', 0, 3))"), "c3,c4");
        is_true(
            "NOT EXISTS (SELECT FROM sequin.read_stream('main', filter => '{\"collection_id\": \"stripe:product\"}'))",
        );
        assert_refused("SELECT sequin.read_stream('main', -1)", "22023", "-1");
        assert_refused("SELECT sequin.read_stream('main', 0, 0)", "22023", "limit");
        assert_refused("SELECT sequin.read_stream('nain')", "42704", "nain");
        assert_refused(
            "SELECT sequin.read_stream('main', filter => '{\"colection\": \"x\"}')",
            "22023",
            "collection_id",
        );
    }

    #[pg_test]
    fn the_catalogue_lists_what_can_be_synced() {
        is_true("(SELECT count(*) >= 40 FROM sequin.collections WHERE provider = 'stripe')");
        assert_eq!(
            text(
                "SELECT parent_collection_id FROM sequin.collections WHERE collection_id = 'stripe:subscription_item'"
            ),
            "stripe:subscription"
        );
        is_true("(SELECT count(*) = 1 FROM sequin.providers WHERE name = 'stripe')");
        // It has an interval of its own.
        assert_eq!(
            text("SELECT deletes FROM sequin.collections WHERE collection_id = 'hubspot:contact'"),
            "list of deletions each 30 s, sweep each 86400 s"
        );
    }

    #[pg_test]
    fn a_member_of_an_object_is_a_value_or_null() {
        for (condition, text) in [
            ("sequin.as_bigint($1) = 9223372036854775807", "9223372036854775807"),
            ("sequin.as_bigint($1) IS NULL", "9223372036854775808"),
            ("sequin.as_numeric($1) = 0.1", "0.1"),
            ("sequin.as_numeric($1) IS NULL", "NaN"),
            ("sequin.as_double_precision($1) = -0.5", "-0.5"),
            ("sequin.as_double_precision($1) IS NULL", "Infinity"),
            ("sequin.as_boolean($1)", "true"),
            ("sequin.as_boolean($1) IS NULL", "t"),
            ("sequin.as_date($1) = '2024-02-29'", "2024-02-29"),
            ("sequin.as_date($1) IS NULL", "2026-02-29"),
            (
                "sequin.as_uuid($1) = '00000000-0000-0000-0000-00000000000a'",
                "00000000-0000-0000-0000-00000000000A",
            ),
            ("sequin.as_uuid($1) IS NULL", "a"),
            ("sequin.as_timestamptz($1) = '2026-01-02 03:04:05.5Z'", "2026-01-02T05:04:05.5+0200"),
            ("sequin.as_timestamptz($1, 'unix_milliseconds') = '1970-01-01 00:00:01.5Z'", "1500"),
            ("sequin.as_timestamptz($1, 'unix_seconds') IS NULL", "99999999999999"),
        ] {
            is_true(&condition.replace("$1", &format!("'{text}'")));
        }
        is_true("sequin.as_bigint(NULL) IS NULL");
        assert_refused("SELECT sequin.as_timestamptz('0', 'unix')", "22023", "unix_seconds");
    }

    #[pg_test]
    fn a_view_has_a_column_for_each_field() {
        make_sync();
        apply(
            DAY_1,
            r#"ARRAY['{"id": "a", "balance": 7, "created": 86400, "email": null}', '{"id": "b"}']"#,
            false,
        );
        assert_eq!(text("SELECT sequin.create_view('stripe:customer')"), "stripe.customer");
        is_true(
            "(SELECT id = 'a' AND balance = 7 AND created = '1970-01-02 00:00Z' AND email IS NULL AND _parent_id IS NULL
              FROM stripe.customer WHERE _upstream_id = 'a')",
        );
        apply(DAY_2, r#"ARRAY['{"id": "b"}']"#, true);
        is_true("(SELECT count(*) = 1 FROM stripe.customer)");
        assert_refused("SELECT sequin.create_view('custmer', columns => '{id}')", "42704", "\"customer\"");
        assert_refused(
            "SELECT sequin.create_view('stripe:customer', columns => '{idd}')",
            "42703",
            "columns",
        );
        assert_refused("SELECT sequin.create_view('stripe:customer', name => '')", "22023", "63");
        is_true(
            "(SELECT fields @> '[{\"name\": \"id\", \"type\": \"text\", \"source\": \"declared\"}]'
              FROM sequin.collections WHERE collection_id = 'stripe:customer')",
        );
    }

    #[pg_test]
    fn what_is_written_into_a_view_becomes_mutations() {
        make_sync();
        let object = r#"{"id": "a", "balance": 7, "created": 86400, "metadata": {"k": "v", "l": "w"}}"#;
        apply(DAY_1, &format!("ARRAY['{object}']"), false);
        run("SELECT sequin.create_view('stripe:customer', writable => true)");
        run("UPDATE stripe.customer SET balance = 7, metadata = '{\"l\": \"w\", \"k\": \"v\"}'");
        is_true("NOT EXISTS (SELECT FROM sequin.mutations)");
        run("UPDATE stripe.customer SET balance = 8, metadata = metadata - 'k', created = created + '1.5 s'");
        run("INSERT INTO stripe.customer (name, email) VALUES ('Ada', NULL)");
        run("DELETE FROM stripe.customer WHERE id = 'a'");
        is_true(
            r#"(SELECT jsonb_agg(jsonb_build_array(action, upstream_id, data) ORDER BY no)
                     = '[["update", "a", {"balance": 8, "metadata": {"k": null, "l": "w"}, "created": 86401}],
                         ["create", null, {"name": "Ada"}], ["delete", "a", null]]'
                FROM sequin.mutations)"#,
        );
        assert_refused("UPDATE stripe.customer SET id = 'b'", "0A000", "column id");
        assert_refused("UPDATE stripe.customer SET _updated_idx = 0", "0A000", "column _updated_idx");
        assert_refused(
            "SELECT sequin.create_view('stripe:event', writable => true)",
            "0A000",
            "stripe:event",
        );
        // It stays what it is, until something else is said.
        run("SELECT sequin.create_view('stripe:customer')");
        run("UPDATE stripe.customer SET name = 'Bo'");
        is_true("(SELECT count(*) = 4 FROM sequin.mutations)");
        run("SELECT sequin.create_view('stripe:customer', writable => false)");
        is_true("NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'sequin_write')");
    }

    #[pg_test]
    fn what_could_never_be_sent_is_refused_when_it_is_asked_for() {
        make_sync();
        let insert = |values: &str| {
            format!(
                "INSERT INTO sequin.mutations (sync, collection_id, action, upstream_id, data) VALUES ({values})"
            )
        };
        for (values, code, words) in [
            ("'t', 'customer', 'create', NULL, '{}'", "42704", "Did you mean \"s\"?"),
            ("NULL, 'customer', 'create', NULL, '{}'", "22004", "sync"),
            ("'s', 'custmer', 'create', NULL, '{}'", "42704", "customer"),
            ("'s', 'price', 'create', NULL, '{}'", "42704", "sequin.update_sync"),
            ("'s', 'customer', 'replace', NULL, '{}'", "22023", "upsert"),
            ("'s', 'customer', 'upsert', 'cus_1', '{}'", "0A000", "create, update, delete"),
            ("'s', 'customer', 'create', 'cus_1', '{}'", "22023", "upstream_id"),
            ("'s', 'customer', 'update', NULL, '{}'", "22004", "upstream_id"),
            ("'s', 'customer', 'update', '', '{}'", "22023", "upstream_id"),
            ("'s', 'customer', 'update', repeat('x', 1001), '{}'", "22023", "1001"),
            ("'s', 'customer', 'update', 'cus_1', NULL", "22004", "data"),
            ("'s', 'customer', 'create', NULL, '[1]'", "22023", "[1]"),
            (
                "'s', 'customer', 'create', NULL, (repeat('[', 99) || repeat(']', 99))::jsonb",
                "22023",
                "object",
            ),
            (
                "'s', 'customer', 'create', NULL, jsonb_build_object('a', repeat('x', 1048576))",
                "54000",
                "1048576",
            ),
        ] {
            assert_refused(&insert(values), code, words);
        }
        is_true("NOT EXISTS (SELECT FROM sequin.mutations)");
    }

    #[pg_test]
    fn a_mutation_is_completed_and_can_be_taken_back() {
        make_sync();
        let id: pgrx::Uuid =
            get("SELECT sequin.mutate('s', 'customer', 'update', 'cus_1', '{\"name\": \"Ada\"}')").unwrap();
        is_true(
            "(SELECT (m.sync_id, m.collection_id, m.state, m.key, m.attempts, m.created_by)
                   = (s.id, 'stripe:customer', 'pending', m.id, 0, current_user)
              FROM sequin.mutations AS m, sequin.syncs AS s)",
        );
        assert_refused(&format!("SELECT sequin.await_mutation('{id}')"), "25001", "Commit");
        assert_refused(&format!("SELECT sequin.retry_mutation('{id}')"), "55000", "pending");
        run(
            "UPDATE sequin.mutations SET state = 'failed', finished_at = now(), error = 'no', sent_at = now()",
        );
        is_true(&format!("NOT sequin.cancel_mutation('{id}')"));
        run(&format!("SELECT sequin.retry_mutation('{id}')"));
        is_true(
            "(SELECT state = 'pending' AND key <> id AND finished_at IS NULL AND sent_at IS NULL
              FROM sequin.mutations)",
        );
        is_true(&format!("sequin.cancel_mutation('{id}')"));
        is_true(
            "(SELECT state = 'cancelled' AND finished_at IS NOT NULL AND error = 'no' FROM sequin.mutations)",
        );
        assert_refused(&format!("SELECT sequin.dismiss_mutation('{id}')"), "55000", "cancelled");
        run("SELECT sequin.delete_sync('s')");
        is_true("NOT EXISTS (SELECT FROM sequin.mutations)");
        assert_refused(&format!("SELECT sequin.cancel_mutation('{id}')"), "42704", &id.to_string());
    }

    #[pg_test]
    fn what_a_restore_brings_stays_as_it_was() {
        make_sync();
        run(
            "INSERT INTO sequin.mutations (sync, sync_id, collection_id, action, data, state, key, finished_at, created_by)
             SELECT 's', id, 'stripe:customer', 'create', '{}', 'done', gen_random_uuid(), now(), 'somebody'
             FROM sequin.syncs",
        );
        is_true("(SELECT state = 'done' AND key <> id AND created_by = 'somebody' FROM sequin.mutations)");
    }

    #[pg_test]
    fn nobody_but_the_owner_may_use_anything() {
        run("CREATE ROLE sequin_nobody");
        assert_eq!(
            text(
                "SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p
                 WHERE p.pronamespace = 'sequin'::regnamespace AND has_function_privilege('sequin_nobody', p.oid, 'EXECUTE')"
            ),
            ""
        );
        assert_eq!(
            text(
                "SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class c
                 WHERE c.relnamespace = 'sequin'::regnamespace AND c.relkind IN ('r', 'v', 'S')
                   AND has_table_privilege('sequin_nobody', c.oid, 'SELECT')"
            ),
            ""
        );
    }
}
