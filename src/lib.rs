//! sequin keeps a PostgreSQL database in step with the APIs that a company runs on.
//!
//! `pg` is the thin layer over PostgreSQL, `store` every SQL statement, `api` the functions that users call, and
//! `worker` the background workers. What needs neither a database nor a network is in crates of its own:
//! `sequin-domain`, `sequin-provider` and `sequin-net`.

use pgrx::prelude::*;

mod api;
mod error;
mod pg;
mod schema;
mod secret;
mod settings;
#[cfg(any(test, feature = "pg_test"))]
mod sql_tests;
mod store;
mod worker;

::pgrx::pg_module_magic!(name, version);

#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    settings::define(pg::shared::MAX_WORKERS);
    if pg::process::is_loading_preload_libraries() && !pg::process::is_binary_upgrade() {
        pg::shared::install();
        pg::utility_hook::install();
        worker::register();
    }
}

/// What `cargo pgrx test` asks for.
#[cfg(test)]
pub mod pg_test {
    pub fn setup(_options: Vec<&str>) {}

    #[must_use]
    pub fn postgresql_conf_options() -> Vec<&'static str> {
        vec!["shared_preload_libraries = 'sequin'"]
    }
}
