//! Making way for commands that need a database to themselves, and noticing that the extension goes.

use crate::pg::{
    process,
    shared::{self, Slot},
    transaction, wait,
};
use pgrx::prelude::*;
use std::{
    ffi::{CStr, c_char},
    time::{Duration, Instant},
};

static mut PREVIOUS: pg_sys::ProcessUtility_hook_type = None;

/// How long a command waits for a worker to leave before PostgreSQL says that the database is in use.
const PATIENCE: Duration = Duration::from_secs(5);

/// To be called while `shared_preload_libraries` are loaded.
pub fn install() {
    // SAFETY: the postmaster has one thread, and hooks are chained as PostgreSQL's own modules do.
    unsafe {
        PREVIOUS = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(process_utility);
    }
}

unsafe extern "C-unwind" {
    /// PostgreSQL's own way of running a command. Taken as it is: pgrx's wrapper would turn each error of each command of
    /// the cluster into a panic and back, and lose some of it on the way.
    fn standard_ProcessUtility(
        statement: *mut pg_sys::PlannedStmt,
        query: *const c_char,
        read_only_tree: bool,
        context: pg_sys::ProcessUtilityContext::Type,
        parameters: pg_sys::ParamListInfo,
        environment: *mut pg_sys::QueryEnvironment,
        receiver: *mut pg_sys::DestReceiver,
        completion: *mut pg_sys::QueryCompletion,
    );
}

/// Not guarded, for the same reason: an error of the command jumps over this frame, which has nothing to clean up.
#[allow(clippy::too_many_arguments, reason = "the signature is PostgreSQL's")]
unsafe extern "C-unwind" fn process_utility(
    statement: *mut pg_sys::PlannedStmt,
    query: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    parameters: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    receiver: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the arguments are PostgreSQL's and handed on as they are.
    unsafe {
        prepare((*statement).utilityStmt);
        let run = PREVIOUS.unwrap_or(standard_ProcessUtility);
        run(statement, query, read_only_tree, context, parameters, environment, receiver, completion);
    }
}

/// What has to be done before a command runs.
#[pg_guard]
unsafe extern "C-unwind" fn prepare(command: *mut pg_sys::Node) {
    // SAFETY: PostgreSQL hands over a node of a parse tree.
    unsafe {
        if let Some(slot) = needed_alone(command).and_then(shared::slot_of) {
            transaction::at_end(|| {
                slot.let_go();
                shared::wake_launcher();
            });
            make_way(slot);
        } else if is_a(command, pg_sys::NodeTag::T_DropStmt)
            || is_a(command, pg_sys::NodeTag::T_DropOwnedStmt)
        {
            // The extension may be what is dropped: then the workers have to notice.
            transaction::on_commit(shared::wake_workers);
        }
    }
}

fn make_way(slot: &Slot) {
    slot.hold(process::my_pid());
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let mut is_free = true;
        for worker in slot.all_workers() {
            // SAFETY: the process is looked up among the live backends first, so no other can be hit.
            unsafe {
                if !pg_sys::BackendPidGetProc(worker).is_null() {
                    is_free = false;
                    libc::kill(worker, libc::SIGTERM);
                }
            }
        }
        if is_free {
            break;
        }
        wait::latch(Duration::from_millis(5));
    }
}

unsafe fn is_a(node: *mut pg_sys::Node, tag: pg_sys::NodeTag) -> bool {
    // SAFETY: the caller passes a node of a parse tree.
    unsafe { !node.is_null() && (*node).type_ == tag }
}

/// The database that a command needs without other connections.
unsafe fn needed_alone(node: *mut pg_sys::Node) -> Option<pg_sys::Oid> {
    // SAFETY: the tag of a node says which struct it is; names are C strings of the parse tree.
    unsafe {
        let name = if is_a(node, pg_sys::NodeTag::T_DropdbStmt) {
            (*node.cast::<pg_sys::DropdbStmt>()).dbname
        } else if is_a(node, pg_sys::NodeTag::T_CreatedbStmt) {
            option(c"template", (*node.cast::<pg_sys::CreatedbStmt>()).options)?
        } else if is_a(node, pg_sys::NodeTag::T_AlterDatabaseStmt) {
            let alter = node.cast::<pg_sys::AlterDatabaseStmt>();
            option(c"tablespace", (*alter).options)?;
            (*alter).dbname
        } else if is_a(node, pg_sys::NodeTag::T_RenameStmt) {
            let rename = node.cast::<pg_sys::RenameStmt>();
            if (*rename).renameType != pg_sys::ObjectType::OBJECT_DATABASE {
                return None;
            }
            (*rename).subname
        } else {
            return None;
        };
        let oid = pg_sys::get_database_oid(name, true);
        // Who may not run the command must not be able to end a worker with it either.
        (oid != pg_sys::InvalidOid && pg_sys::pg_database_ownercheck(oid, pg_sys::GetUserId())).then_some(oid)
    }
}

/// The text of an option of a command.
unsafe fn option(name: &CStr, options: *mut pg_sys::List) -> Option<*mut c_char> {
    // SAFETY: the list is one of DefElem nodes.
    unsafe {
        let options = pgrx::PgList::<pg_sys::DefElem>::from_pg(options);
        let found = options.iter_ptr().find(|option| CStr::from_ptr((**option).defname) == name)?;
        (!(*found).arg.is_null()).then(|| pg_sys::defGetString(found))
    }
}
