//! The order of the SQL that makes the extension.

use pgrx::prelude::*;

extension_sql_file!("../sql/schema/streams.sql", name = "streams", bootstrap);
extension_sql_file!("../sql/schema/syncs.sql", name = "syncs", requires = ["streams"]);
extension_sql_file!("../sql/schema/records.sql", name = "records", requires = ["syncs"]);
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
extension_sql_file!("../sql/schema/consumer_status.sql", name = "consumer_status", requires = ["consume"]);
extension_sql_file!("../sql/schema/read_stream.sql", name = "read_stream", requires = ["consumer_feed"]);

extension_sql_file!(
    "../sql/schema/catalogue.sql",
    name = "catalogue",
    requires = [catalogue::declared_providers, catalogue::declared_collections]
);
extension_sql_file!(
    "../sql/schema/status.sql",
    name = "status",
    requires = ["records", "health", schedule::check_intervals]
);
extension_sql_file!("../sql/schema/functions.sql", name = "functions", finalize);
