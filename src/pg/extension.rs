//! Whether the extension is in this database.

use pgrx::prelude::*;

/// The extension's OID; it changes when the extension is dropped and created again.
///
/// To be called within a transaction.
pub fn oid() -> Option<pg_sys::Oid> {
    // SAFETY: reads the catalogue; a missing extension is no error.
    let oid = unsafe { pg_sys::get_extension_oid(c"sequin".as_ptr(), true) };
    (oid != pg_sys::InvalidOid).then_some(oid)
}
