//! Transactions of a background worker, whose errors are values.

use super::{role, setting};
use crate::error::Result as SqlResult;
use pgrx::{
    pg_sys::panic::{CaughtError, ErrorReportable},
    prelude::*,
};
use std::panic::AssertUnwindSafe;

/// An SQL error that has been caught.
#[derive(Debug, Clone)]
pub struct SqlError {
    pub code: PgSqlErrorCode,
    pub message: String,
}

impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl SqlError {
    fn caught(error: CaughtError) -> Self {
        match error {
            CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => {
                Self { code: report.sql_error_code(), message: report.message().to_owned() }
            }
            CaughtError::RustPanic { ereport, payload } => {
                // A bug, not an SQL error: the process has to end, so that a new one starts from a known state.
                drop(ereport);
                std::panic::resume_unwind(payload)
            }
        }
    }

    /// Whether the data is at fault, so that the same data will fail again: classes 22, 23 and 54 of SQLSTATE.
    pub fn blames_data(&self) -> bool {
        let code = self.code as i32;
        // Two characters of six bits each, the first lowest.
        let class = |first: u8, second: u8| i32::from(first - b'0') | (i32::from(second - b'0') << 6);
        [class(b'2', b'2'), class(b'2', b'3'), class(b'5', b'4')].contains(&(code & 0xFFF))
    }
}

/// Runs `body` in a transaction of its own: committed where it returns `Ok`, rolled back otherwise.
pub fn transaction<T>(body: impl FnOnce() -> SqlResult<T>) -> Result<T, SqlError> {
    // SAFETY: a background worker is outside of any transaction here. After an error the transaction is aborted, as
    // the main loop of a backend does it, which releases snapshots, locks, SPI connections and memory.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        role::enter_transaction();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let result = PgTryBuilder::new(AssertUnwindSafe(|| {
            let value = body().unwrap_or_report();
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
            Ok(value)
        }))
        .catch_others(|error| Err(SqlError::caught(error)))
        .execute();
        if result.is_err() {
            pg_sys::AbortCurrentTransaction();
        } else {
            role::leave_transaction();
            pg_sys::pgstat_report_stat(false);
        }
        result
    }
}

/// Runs `body` in a subtransaction: what it did is undone where it fails, and the transaction goes on.
pub fn subtransaction<T>(body: impl FnOnce() -> SqlResult<T>) -> Result<T, SqlError> {
    // SAFETY: called within a transaction. Memory context and resource owner are put back as PL/pgSQL does it around
    // its exception blocks.
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        let owner = pg_sys::CurrentResourceOwner;
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::MemoryContextSwitchTo(context);
        let result = PgTryBuilder::new(AssertUnwindSafe(|| {
            let value = body().unwrap_or_report();
            pg_sys::ReleaseCurrentSubTransaction();
            Ok(value)
        }))
        .catch_others(|error| Err(SqlError::caught(error)))
        .execute();
        if result.is_err() {
            pg_sys::RollbackAndReleaseCurrentSubTransaction();
        }
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
        result
    }
}

/// How often, and for how long each time, rows are waited for that somebody else has locked.
const TRIES: usize = 100;
const SHORT_WAIT: &str = "100ms";

/// Does what locks rows that the workers lock in another order. It never waits long for one of theirs, but lets go of its own
/// and tries again: a deadlock would be the end of one of both.
pub fn giving_way(body: impl Fn() -> SqlResult<()>) -> SqlResult<()> {
    // SAFETY: reads a setting of this backend, in milliseconds.
    let usual = format!("{}ms", unsafe { pg_sys::LockTimeout });
    for _ in 0..TRIES {
        let tried = subtransaction(|| {
            setting::set_local("lock_timeout", SHORT_WAIT);
            body()?;
            setting::set_local("lock_timeout", &usual);
            Ok(())
        });
        match tried {
            Ok(()) => return Ok(()),
            Err(problem)
                if matches!(
                    problem.code,
                    PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE
                        | PgSqlErrorCode::ERRCODE_T_R_DEADLOCK_DETECTED
                ) => {}
            Err(problem) => return Err(crate::error::error(problem.code, problem.message)),
        }
    }
    Err(crate::error::error(
        PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE,
        "the syncs that this concerns are locked by somebody else",
    )
    .set_detail(
        "Rows of sequin.syncs, sequin.backfills or what belongs to them have been locked for 10 seconds.",
    )
    .set_hint("End the transactions that have changed them, and try again."))
}

/// Runs `action` once the current transaction has committed; it must not fail.
pub fn on_commit(action: impl FnOnce() + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static) {
    pgrx::register_xact_callback(pgrx::PgXactCallbackEvent::Commit, action);
}

/// Runs `action` when the current transaction has ended, in whichever way; it must not fail.
pub fn at_end(action: impl Fn() + Clone + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static) {
    pgrx::register_xact_callback(pgrx::PgXactCallbackEvent::Commit, action.clone());
    pgrx::register_xact_callback(pgrx::PgXactCallbackEvent::Abort, action);
}

/// Whether the transaction has changed anything.
pub fn has_changed() -> bool {
    // SAFETY: reads the state of this backend.
    unsafe { pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId }
}

/// Whether the user has begun a transaction of their own, which goes on after this statement.
pub fn is_block() -> bool {
    // SAFETY: reads the state of this backend.
    unsafe { pg_sys::IsTransactionBlock() }
}

/// Whether the transaction keeps one snapshot: REPEATABLE READ or above.
pub fn is_isolated() -> bool {
    // SAFETY: a plain global of this backend.
    unsafe { pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32 }
}
