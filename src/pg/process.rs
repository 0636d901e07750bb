//! Starting and running as a background worker.

use pgrx::{
    bgworkers::{
        BackgroundWorker, BackgroundWorkerBuilder, BgWorkerStartTime, DynamicBackgroundWorker,
        SignalWakeFlags,
    },
    prelude::*,
};
use std::time::Duration;

const LIBRARY: &str = "sequin";

/// Has the postmaster start the launcher, and start it again when it ends.
pub fn register_launcher(function: &str) {
    BackgroundWorkerBuilder::new("sequin launcher")
        .set_type("sequin launcher")
        .set_library(LIBRARY)
        .set_function(function)
        .enable_shmem_access(None)
        .enable_spi_access()
        .set_start_time(BgWorkerStartTime::RecoveryFinished)
        .set_restart_time(Some(Duration::from_secs(1)))
        .load();
}

/// Starts a worker, which is passed `argument`; `None` where all of `max_worker_processes` are in use.
pub fn start_worker(function: &str, argument: usize) -> Option<DynamicBackgroundWorker> {
    BackgroundWorkerBuilder::new("sequin worker")
        .set_type("sequin worker")
        .set_library(LIBRARY)
        .set_function(function)
        .enable_shmem_access(None)
        .enable_spi_access()
        .set_argument(Some(pg_sys::Datum::from(argument)))
        .set_notify_pid(my_pid())
        .load_dynamic()
        .ok()
}

unsafe extern "C-unwind" {
    /// PostgreSQL's handler of SIGTERM in a backend. Taken as it is: pgrx's wrapper of it is no signal handler.
    fn die(signal: i32);
}

/// Obeys the signals of a server: SIGTERM ends the process at the next safe point, also within a statement or a wait.
pub fn handle_signals() {
    // SAFETY: the handler is async-signal-safe: it only sets flags and the latch.
    unsafe { pg_sys::pqsignal(pg_sys::SIGTERM as i32, Some(die)) };
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP);
}

/// Reads the configuration again where the server was asked to; true where it did.
pub fn reload_configuration() -> bool {
    let asked = BackgroundWorker::sighup_received();
    if asked {
        // SAFETY: called between transactions of a background worker, as the main loop of a backend does.
        unsafe { pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP) };
    }
    asked
}

/// Connects to no database: shared catalogues only.
pub fn connect_to_none() {
    BackgroundWorker::connect_worker_to_spi(None, None);
}

pub fn connect_to(database: pg_sys::Oid) {
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(database), None);
}

pub fn my_pid() -> i32 {
    // SAFETY: a plain global of this process.
    unsafe { pg_sys::MyProcPid }
}

/// Whether the server was started by pg_upgrade, which wants nobody else in its databases.
pub fn is_binary_upgrade() -> bool {
    // SAFETY: a plain global of this process.
    unsafe { pg_sys::IsBinaryUpgrade }
}

pub fn is_loading_preload_libraries() -> bool {
    // SAFETY: a plain global of this process.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

/// Shows in pg_stat_activity whether the process is at work.
pub fn report_activity(doing: Option<&std::ffi::CStr>) {
    let (state, text) = match doing {
        Some(text) => (pg_sys::BackendState::STATE_RUNNING, text.as_ptr()),
        None => (pg_sys::BackendState::STATE_IDLE, std::ptr::null()),
    };
    // SAFETY: the text is copied.
    unsafe { pg_sys::pgstat_report_activity(state, text) };
}

/// Calls `action` when the process ends, in whatever way, while it is still attached to shared memory.
pub fn before_exit(action: extern "C-unwind" fn(i32, pg_sys::Datum), argument: usize) {
    // SAFETY: the function lives as long as the library, which is never unloaded.
    unsafe { pg_sys::before_shmem_exit(Some(action), pg_sys::Datum::from(argument)) };
}
