//! The order of the SQL that makes the extension.

use pgrx::prelude::*;

extension_sql_file!("../sql/schema/roles.sql", name = "roles", bootstrap);
extension_sql_file!("../sql/schema/streams.sql", name = "streams", requires = ["roles"]);
extension_sql_file!("../sql/schema/syncs.sql", name = "syncs", requires = ["streams", keys::current_key]);
extension_sql_file!("../sql/schema/records.sql", name = "records", requires = ["syncs"]);
extension_sql_file!("../sql/schema/sweeps.sql", name = "sweeps", requires = ["records"]);
extension_sql_file!("../sql/schema/history.sql", name = "history", requires = ["syncs"]);
extension_sql_file!(
    "../sql/schema/health.sql",
    name = "health",
    requires = ["history", waiting::failure_hint]
);
extension_sql_file!("../sql/schema/record_json.sql", name = "record_json", requires = ["records"]);
extension_sql_file!("../sql/schema/wait_for_sync.sql", name = "wait_for_sync", requires = ["records"]);
extension_sql_file!(
    "../sql/schema/check_credential.sql",
    name = "check_credential",
    requires = ["wait_for_sync", waiting::ask_workers]
);

extension_sql_file!("../sql/schema/consumers.sql", name = "consumers", requires = ["record_json"]);
extension_sql_file!("../sql/schema/grants.sql", name = "grants", requires = ["consumers"]);
extension_sql_file!("../sql/schema/consumer_admin.sql", name = "consumer_admin", requires = ["consumers"]);
extension_sql_file!("../sql/schema/consumer_takers.sql", name = "consumer_takers", requires = ["consumers"]);
extension_sql_file!(
    "../sql/schema/consumer_feed.sql",
    name = "consumer_feed",
    requires = ["consumer_takers"]
);
extension_sql_file!("../sql/schema/consumer_take.sql", name = "consumer_take", requires = ["consumer_feed"]);
extension_sql_file!("../sql/schema/consume.sql", name = "consume", requires = ["consumer_take"]);
extension_sql_file!("../sql/schema/fetch.sql", name = "fetch", requires = ["consume"]);
extension_sql_file!("../sql/schema/notify.sql", name = "notify", requires = ["consumer_feed"]);
extension_sql_file!("../sql/schema/consumer_settle.sql", name = "consumer_settle", requires = ["consume"]);
extension_sql_file!(
    "../sql/schema/consumer_status.sql",
    name = "consumer_status",
    requires = ["consume", "grants"]
);
extension_sql_file!(
    "../sql/schema/mutations.sql",
    name = "mutations",
    requires = [
        "consume",
        "grants",
        mutations::announce_mutations,
        mutations::check_mutation,
        waiting::failure_hint
    ]
);
extension_sql_file!("../sql/schema/read_stream.sql", name = "read_stream", requires = ["consumer_feed"]);

extension_sql_file!(
    "../sql/schema/catalogue.sql",
    name = "catalogue",
    requires = [
        "syncs",
        catalogue::declared_providers,
        catalogue::declared_collections,
        catalogue::declared_fields,
        catalogue::discovered_collections
    ]
);
extension_sql_file!(
    "../sql/schema/views.sql",
    name = "views",
    requires = ["records", values::as_bigint, values::as_timestamptz]
);
extension_sql_file!("../sql/schema/writable_views.sql", name = "writable_views", requires = ["mutations"]);
extension_sql_file!(
    "../sql/schema/status.sql",
    name = "status",
    requires = ["records", "health", "grants", schedule::check_intervals]
);

// All that is declared in Rust.
extension_sql_file!(
    "../sql/schema/functions.sql",
    name = "functions",
    requires = [
        backfills::cancel_backfill,
        backfills::start_backfill,
        catalogue::collection_id,
        catalogue::declared_collections,
        catalogue::declared_fields,
        catalogue::declared_providers,
        catalogue::declared_writes,
        catalogue::described_fields,
        catalogue::discovered_collections,
        credentials::create_credential,
        credentials::delete_credential,
        credentials::refresh_collections,
        credentials::update_credential,
        guard::confirm_deletes,
        keys::current_key,
        keys::rotate_key,
        mutations::announce_mutations,
        mutations::cancel_mutation,
        mutations::check_mutation,
        mutations::dismiss_mutation,
        mutations::retry_mutation,
        names::check_name,
        providers::delete_provider,
        providers::register_provider,
        rejected::retry_rejected,
        schedule::check_intervals,
        streams::create_stream,
        streams::delete_stream,
        streams::stream_id,
        syncs::create_sync,
        syncs::delete_sync,
        syncs::pause_sync,
        syncs::resume_sync,
        syncs::sync_id,
        syncs::update_sync,
        values::as_bigint,
        values::as_boolean,
        values::as_date,
        values::as_double_precision,
        values::as_numeric,
        values::as_timestamptz,
        values::as_uuid,
        waiting::announce_change,
        waiting::announce_extension,
        waiting::announce_work,
        waiting::failure_hint,
        waiting::in_transaction_block,
        waiting::stop_waiting,
        waiting::wait_for_change
    ]
);
extension_sql_file!("../sql/schema/rights.sql", name = "rights", finalize);
