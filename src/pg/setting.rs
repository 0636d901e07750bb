//! Settings that last as long as the transaction, or a call.

use pgrx::prelude::*;
use std::ffi::{CStr, CString};

/// Whether a setting of our own has a value.
pub fn is_set(name: &str) -> bool {
    let name = CString::new(name).unwrap_or_default();
    // SAFETY: the name is a C string; what is returned belongs to PostgreSQL and is looked at at once.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        !value.is_null() && !CStr::from_ptr(value).is_empty()
    }
}

/// Gives it one until the transaction ends.
pub fn set_local(name: &str, value: &str) {
    let (name, value) = (CString::new(name).unwrap_or_default(), CString::new(value).unwrap_or_default());
    // SAFETY: name and value are C strings, which are copied.
    unsafe {
        pg_sys::set_config_option(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_LOCAL,
            true,
            0,
            false,
        );
    }
}

/// Runs `body`, and keeps the statement that called it out of the log where it ends with an error: there may be a secret in
/// the statement.
pub fn unlogged<T, E>(body: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    // SAFETY: name and value are C strings, which are copied; the level is left below, or by PostgreSQL where the
    // transaction is aborted.
    let level = unsafe {
        let level = pg_sys::NewGUCNestLevel();
        pg_sys::set_config_option(
            c"log_min_error_statement".as_ptr(),
            c"panic".as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
        level
    };
    let result = body();
    // An error is written down before PostgreSQL takes the setting back.
    if result.is_ok() {
        // SAFETY: the level is the one that was entered above.
        unsafe { pg_sys::AtEOXact_GUC(true, level) };
    }
    result
}
