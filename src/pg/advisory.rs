//! Advisory locks, without a statement for each.

use pgrx::{direct_function_call, prelude::*};

/// Takes a lock of two keys until the transaction ends, if nobody else owns or shares it.
pub fn try_own_pair(class: i32, key: i32) -> bool {
    call(pg_sys::pg_try_advisory_xact_lock_int4, &[class.into_datum(), key.into_datum()])
}

/// Shares a lock of two keys until the transaction ends, if nobody owns it.
pub fn try_share_pair(class: i32, key: i32) -> bool {
    call(pg_sys::pg_try_advisory_xact_lock_shared_int4, &[class.into_datum(), key.into_datum()])
}

/// Takes a lock until the transaction ends, if nobody else owns or shares it.
pub fn try_own(key: i64) -> bool {
    call(pg_sys::pg_try_advisory_xact_lock_int8, &[key.into_datum()])
}

/// Whether no other session owns or shares the lock.
pub fn is_free(key: i64) -> bool {
    call(pg_sys::pg_try_advisory_lock_int8, &[key.into_datum()])
        && call(pg_sys::pg_advisory_unlock_int8, &[key.into_datum()])
}

type Function = unsafe fn(pg_sys::FunctionCallInfo) -> pg_sys::Datum;

fn call(function: Function, arguments: &[Option<pg_sys::Datum>]) -> bool {
    // SAFETY: the functions above are PostgreSQL's own and take these arguments.
    unsafe { direct_function_call::<bool>(function, arguments) }.unwrap_or(false)
}
