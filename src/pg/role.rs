//! The roles that statements run as. The tables belong to one that is no superuser: the workers run as it, and so does
//! what a session may have done to them without rights on them.

use crate::error::{Result, error};
use pgrx::{pg_sys::panic::ErrorReportable, prelude::*};
use std::{cell::Cell, ffi::CStr};

const OWNER: &CStr = c"sequin_worker";
const ADMIN: &CStr = c"sequin_admin";
/// The flag of a SECURITY DEFINER function: neither SET ROLE nor SET SESSION AUTHORIZATION leads out of it.
const LOCAL: i32 = pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32;

thread_local! {
    /// The role that this process has been confined to.
    static CONFINED: Cell<Option<pg_sys::Oid>> = const { Cell::new(None) };
}

/// The role that the tables belong to.
///
/// To be called within a transaction, as all that looks for a role.
pub fn owner() -> Result<pg_sys::Oid> {
    let owner = find(OWNER);
    if owner == pg_sys::InvalidOid {
        return Err(error(
            PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT,
            format!("there is no role {OWNER:?}, which the workers and functions of sequin run as"),
        )
        .set_detail(
            "CREATE EXTENSION has made it, and it can't be dropped as long as the tables belong to it.",
        )
        .set_hint("If it was renamed, give it its name again with ALTER ROLE … RENAME TO."));
    }
    Ok(owner)
}

/// Whether the caller may do whatever there is to be done.
pub fn is_admin() -> bool {
    // SAFETY: reads the state of this backend.
    let caller = unsafe { pg_sys::GetUserId() };
    [ADMIN, OWNER].into_iter().map(find).any(|role| {
        // SAFETY: looks memberships up in the catalogue.
        role != pg_sys::InvalidOid && unsafe { pg_sys::has_privs_of_role(caller, role) }
    })
}

/// Whether the caller is a superuser.
pub fn is_superuser() -> bool {
    // SAFETY: looks the current user up in the catalogue.
    unsafe { pg_sys::superuser() }
}

fn find(name: &CStr) -> pg_sys::Oid {
    // SAFETY: the name is a C string; a missing role is no error.
    unsafe { pg_sys::get_role_oid(name.as_ptr(), true) }
}

/// Runs `body` with the rights of the owner, as a SECURITY DEFINER function of the owner's would. Unlike in one, it can be
/// decided before by what the caller's own rights are.
pub fn as_owner<T>(body: impl FnOnce() -> T) -> T {
    let owner = owner().unwrap_or_report();
    let mut former = Former { user: pg_sys::InvalidOid, context: 0 };
    // SAFETY: changes the state of this backend within a transaction; dropping `former` puts it back, and so does
    // PostgreSQL where the transaction is aborted.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut former.user, &mut former.context);
        pg_sys::SetUserIdAndSecContext(owner, former.context | LOCAL);
    }
    body()
}

/// What the process ran as before.
struct Former {
    user: pg_sys::Oid,
    context: i32,
}

impl Drop for Former {
    fn drop(&mut self) {
        // SAFETY: what is put back was in force in the same transaction.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}

/// Gives the rights of a superuser up for all transactions to come.
///
/// PostgreSQL 15 lets no worker connect as a role that may not log in, so it connects as a superuser first. To be called
/// outside of a transaction.
pub fn confine_to(owner: pg_sys::Oid) {
    CONFINED.set(Some(owner));
    // SAFETY: the process is a background worker that has connected as a superuser, and is outside of a transaction.
    unsafe { pg_sys::SetSessionAuthorization(owner, false) };
}

/// To be called at the start of each transaction of a background worker.
pub fn enter_transaction() {
    set_context(LOCAL);
}

/// To be called after each that has committed; PostgreSQL expects a transaction to start without the flag.
pub fn leave_transaction() {
    set_context(0);
}

fn set_context(context: i32) {
    if let Some(owner) = CONFINED.get() {
        // SAFETY: changes the state of this backend; an aborted transaction puts back what was there before it.
        unsafe { pg_sys::SetUserIdAndSecContext(owner, context) };
    }
}
