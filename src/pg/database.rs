//! The databases of the cluster, read without being connected to any.

use pgrx::prelude::*;
use std::ffi::CStr;

/// The database that this process is connected to.
pub fn current() -> pg_sys::Oid {
    // SAFETY: a plain global of this process.
    unsafe { pg_sys::MyDatabaseId }
}

/// The name of a database; empty where it is gone. To be called within a transaction.
pub fn name(database: pg_sys::Oid) -> String {
    // SAFETY: reads the catalogue; the name is a C string, or null.
    unsafe {
        let name = pg_sys::get_database_name(database);
        if name.is_null() { String::new() } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
    }
}

/// The databases that a worker can connect to: no templates, and none that refuses connections.
///
/// To be called within a transaction.
pub fn connectable() -> Vec<pg_sys::Oid> {
    let mut databases = Vec::new();
    // SAFETY: pg_database is a shared catalogue, so it can be read without a database; the scan runs with a registered
    // snapshot of the current transaction and is closed before the relation is.
    unsafe {
        let relation = pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as i32);
        let scan = pg_sys::table_beginscan_catalog(relation, 0, std::ptr::null_mut());
        loop {
            let tuple = pg_sys::heap_getnext(scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tuple.is_null() {
                break;
            }
            let header = (*tuple).t_data;
            let row =
                header.cast::<u8>().add(usize::from((*header).t_hoff)).cast::<pg_sys::FormData_pg_database>();
            if (*row).datallowconn && !(*row).datistemplate && (*row).datconnlimit != -2 {
                databases.push((*row).oid);
            }
        }
        pg_sys::table_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
    }
    databases
}
