//! Sequences, without a statement for each value.

use pgrx::{direct_function_call, prelude::*};
use std::ffi::CStr;

/// The next value of a sequence.
pub fn next_value(schema: &CStr, name: &CStr) -> i64 {
    // SAFETY: the names are C strings; nextval checks what it is given, and the caller's right to it.
    let value = unsafe {
        let sequence =
            pg_sys::get_relname_relid(name.as_ptr(), pg_sys::get_namespace_oid(schema.as_ptr(), false));
        direct_function_call::<i64>(pg_sys::nextval_oid, &[sequence.into_datum()])
    };
    value.unwrap_or_else(|| error!("the sequence {name:?} gives no value"))
}
