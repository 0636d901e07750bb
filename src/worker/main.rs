//! The life of a worker of a database.

use super::{engine::Engine, request::Answered};
use crate::{
    pg::{
        extension, process, role,
        shared::{self, MAX_WORKERS, SealedWith, Slot},
        transaction,
    },
    settings::{self, Settings},
};
use pgrx::prelude::*;
use sequin_net::Net;
use std::{cell::RefCell, rc::Rc, time::Duration};

/// The name under which PostgreSQL finds the function of a worker.
pub const WORKER: &str = "sequin_worker_main";
/// How long the network thread may take to stop.
const GRACE: Duration = Duration::from_millis(500);

thread_local! {
    /// Kept where the exit callback finds it: PostgreSQL may end the process in the middle of a statement.
    static NET: RefCell<Option<Rc<Net<Answered>>>> = const { RefCell::new(None) };
}

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sequin_worker_main(argument: pg_sys::Datum) {
    let Some((slot, ordinal)) = post(argument) else {
        return;
    };
    process::handle_signals();
    process::before_exit(leave, argument.value());
    let database = slot.database();
    if database == pg_sys::InvalidOid {
        // The database was dropped while the process started.
        return;
    }
    process::connect_to(database);
    let Some(extension) = find_extension() else {
        slot.set_absent(true);
        return;
    };
    slot.set_absent(false);
    slot.set_worker(ordinal, Some(process::my_pid()));
    shared::wake_launcher();
    // The others have something to give to this one.
    slot.wake_all();
    // Before it runs any statement of the extension.
    match transaction::transaction(role::owner) {
        Ok(owner) => role::confine_to(owner),
        Err(problem) => error!("the worker of sequin can't give up the rights of a superuser: {problem}"),
    }
    if let Err(problem) = transaction::transaction(prepare_session) {
        error!("sequin could not prepare the session of its worker: {problem}");
    }
    let (mut engine, net) = match Engine::start(extension, Settings::current(), slot) {
        Ok(started) => started,
        Err(problem) => error!("the worker of sequin could not start: {problem}"),
    };
    NET.set(Some(net));
    run(&mut engine, slot, ordinal);
    // Where the extension has been created anew already, the launcher starts the next worker at once.
    slot.set_absent(find_extension().is_none());
}

/// The slot that the launcher has chosen, and which of its workers this one is.
fn post(argument: pg_sys::Datum) -> Option<(&'static Slot, usize)> {
    let slot = shared::slots().get(argument.value() / MAX_WORKERS)?;
    Some((slot, argument.value() % MAX_WORKERS))
}

/// Works until the extension is gone, or the settings ask for fewer workers.
fn run(engine: &mut Engine, slot: &Slot, ordinal: usize) {
    engine.plan_anew();
    loop {
        if process::reload_configuration() {
            engine.reconfigure(Settings::current());
        }
        // Also where the settings had changed before it started.
        if ordinal >= settings::workers() {
            return;
        }
        if slot.take_woken(ordinal) {
            engine.plan_anew();
        }
        if slot.take_asked(ordinal) {
            engine.look_for_checks();
        }
        if slot.take_called(ordinal) {
            engine.look_for_mutations();
        }
        process::report_activity(Some(c"syncing"));
        let alive = engine.step();
        process::report_activity(None);
        if !alive {
            return;
        }
        if let Some(is_watching) = engine.is_watching() {
            slot.set_watching(is_watching);
        }
        engine.wait();
    }
}

fn find_extension() -> Option<pg_sys::Oid> {
    transaction::transaction(|| Ok(extension::oid())).ok().flatten()
}

/// The plans of the worker's statements have to be right for tables of any size from the first page on, and no
/// lock is waited for without end.
fn prepare_session() -> crate::error::Result<()> {
    for setting in [
        "SET application_name = 'sequin worker'",
        "SET search_path = pg_catalog, pg_temp",
        "SET enable_seqscan = off",
        "SET enable_hashjoin = off",
        "SET enable_mergejoin = off",
        "SET enable_bitmapscan = off",
        "SET enable_sort = off",
        "SET enable_incremental_sort = off",
        "SET jit = off",
        "SET lock_timeout = '1min'",
    ] {
        Spi::run(setting).map_err(|problem| {
            crate::error::error(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("{setting}: {problem}"))
        })?;
    }
    Ok(())
}

#[pg_guard]
extern "C-unwind" fn leave(_code: i32, argument: pg_sys::Datum) {
    if let Some(net) = NET.take() {
        net.shutdown(GRACE);
    }
    if let Some((slot, ordinal)) = post(argument)
        && slot.worker(ordinal) == Some(process::my_pid())
    {
        slot.set_worker(ordinal, None);
        slot.set_sealed_with(SealedWith::Unknown);
        // Its locks are gone already: the others take over.
        slot.wake_all();
        shared::wake_launcher();
    }
}
