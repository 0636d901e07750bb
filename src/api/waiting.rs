//! Waking and waiting, for the functions that are written in SQL.

use crate::pg::{shared, transaction};
use pgrx::{Uuid, prelude::*};
use sequin_domain::failure::FailureClass;
use std::time::Duration;

/// Wakes, once this transaction has committed, all that wait for the stream.
#[pg_extern(name = "_announce_change")]
fn announce_change(stream: Uuid) {
    transaction::on_commit(move || shared::announce_change(stream.as_bytes()));
}

/// Wakes, once this transaction has committed, the workers of this database.
#[pg_extern(name = "_announce_work")]
fn announce_work() {
    transaction::on_commit(shared::wake_workers);
}

/// Sleeps until the stream changes or the time is over; may return at any moment for no reason. True: the time is over.
#[pg_extern(name = "_wait_for_change")]
fn wait_for_change(stream: Uuid, timeout_ms: i32) -> bool {
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    shared::wait_for_change(stream.as_bytes(), timeout).unwrap_or(true)
}

/// Takes this session from the queue that `_wait_for_change` joined.
#[pg_extern(name = "_stop_waiting")]
fn stop_waiting() {
    shared::stop_waiting();
}

/// Has the workers look for credentials that somebody wants to be checked; at once, as nothing need be committed for it.
#[pg_extern(name = "_ask_workers")]
fn ask_workers() {
    shared::ask_workers();
}

/// Tells the launcher, once this transaction has committed, that the database has the extension.
#[pg_extern(name = "_announce_extension")]
fn announce_extension() -> crate::error::Result<()> {
    if !shared::is_installed() {
        return Err(crate::error::error(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "sequin must be loaded when the server starts",
        )
        .set_detail("Its workers are started by the server itself.")
        .set_hint("Add sequin to shared_preload_libraries in postgresql.conf and restart the server."));
    }
    transaction::on_commit(shared::announce_extension);
    Ok(())
}

/// What would help against a failure of this class, for the views.
#[pg_extern(name = "_failure_hint", immutable, parallel_safe)]
fn failure_hint(class: &str) -> Option<&'static str> {
    FailureClass::parse(class).map(FailureClass::hint)
}

/// Whether the user has begun a transaction of their own, which goes on after this statement.
#[pg_extern(name = "_in_transaction_block")]
fn in_transaction_block() -> bool {
    transaction::is_block()
}
