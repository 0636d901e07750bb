//! Settings that last as long as the transaction.

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
