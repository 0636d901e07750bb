//! One launcher for the cluster: it looks for databases, and starts workers in each that has the extension.
//!
//! It is connected to no database, so it is in nobody's way. Whether a database has the extension only a process
//! that is connected to it can say: a database's first worker looks, and leaves at once where there is nothing for it. Only
//! then the others follow.

use super::main::WORKER;
use crate::{
    pg::{
        database, process,
        shared::{self, MAX_WORKERS, Slot},
        transaction, wait,
    },
    settings,
};
use pgrx::{
    bgworkers::{BackgroundWorkerStatus, DynamicBackgroundWorker},
    prelude::*,
};
use std::time::{Duration, Instant};

const LAUNCHER: &str = "sequin_launcher_main";
/// Databases that come from a template with the extension in it are not announced: they are found by looking.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// Between two tries while `max_worker_processes` is reached.
const CROWDED_INTERVAL: Duration = Duration::from_secs(5);
const FIRST_RESTART: Duration = Duration::from_millis(500);
const LONGEST_RESTART: Duration = Duration::from_secs(30);
/// A worker that ran so long did not fail at its start.
const STABLE: Duration = Duration::from_secs(60);

/// To be called while `shared_preload_libraries` are loaded.
pub fn register() {
    process::register_launcher(LAUNCHER);
}

#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn sequin_launcher_main(_argument: pg_sys::Datum) {
    process::handle_signals();
    process::connect_to_none();
    shared::set_launcher(process::my_pid());
    let mut launcher = Launcher::new();
    loop {
        process::reload_configuration();
        let pause = launcher.look();
        wait::latch(pause);
    }
}

/// What the launcher knows of one worker of a slot.
#[derive(Default)]
struct Post {
    worker: Option<DynamicBackgroundWorker>,
    started_at: Option<Instant>,
    failures: u32,
    restart_at: Option<Instant>,
}

struct Launcher {
    /// For each slot, one for each worker.
    posts: Vec<[Post; MAX_WORKERS]>,
    warned: bool,
}

impl Launcher {
    fn new() -> Self {
        Self { posts: shared::slots().iter().map(|_| Default::default()).collect(), warned: false }
    }

    /// Brings workers and databases into step; gives the time until the next look.
    fn look(&mut self) -> Duration {
        let databases = match transaction::transaction(|| Ok(database::connectable())) {
            Ok(databases) => databases,
            Err(problem) => {
                log!("sequin could not list the databases: {problem}");
                return CROWDED_INTERVAL;
            }
        };
        self.assign(&databases);
        let mut is_starting = false;
        for (slot, posts) in shared::slots().iter().zip(&mut self.posts) {
            for (ordinal, post) in posts.iter_mut().enumerate() {
                if slot.database() != pg_sys::InvalidOid {
                    post.attend(slot, ordinal);
                }
                is_starting |= post.worker.is_some() && slot.worker(ordinal).is_none();
            }
        }
        // One worker starts at a time, so that looking into many databases doesn't use up the worker processes.
        if is_starting {
            return LOOK_INTERVAL;
        }
        self.start_next()
    }

    fn start_next(&mut self) -> Duration {
        let mut pause = LOOK_INTERVAL;
        for (n, (slot, posts)) in shared::slots().iter().zip(&mut self.posts).enumerate() {
            for (ordinal, post) in posts.iter_mut().enumerate() {
                match post.due(slot, ordinal) {
                    None => {}
                    Some(Duration::ZERO) => {
                        if post.start(slot, n, ordinal) {
                            self.warned = false;
                            return pause;
                        }
                        if !self.warned {
                            warning!(
                                "sequin can start no worker: all of max_worker_processes are in use; it tries again each {CROWDED_INTERVAL:?}"
                            );
                            self.warned = true;
                        }
                        return CROWDED_INTERVAL;
                    }
                    Some(later) => pause = pause.min(later),
                }
            }
        }
        pause
    }

    /// Gives a slot to each database, and takes it back where the database is gone.
    fn assign(&mut self, databases: &[pg_sys::Oid]) {
        for (slot, posts) in shared::slots().iter().zip(&mut self.posts) {
            let database = slot.database();
            let is_gone = database != pg_sys::InvalidOid && !databases.contains(&database);
            if is_gone && slot.all_workers().next().is_none() {
                slot.release();
                *posts = Default::default();
            }
        }
        for database in databases {
            if shared::slot_of(*database).is_none() {
                match shared::slot_of(pg_sys::InvalidOid) {
                    Some(free) => free.assign(*database),
                    None => {
                        log!(
                            "sequin serves no more than {} databases: {database} has no worker",
                            shared::MAX_DATABASES
                        );
                        return;
                    }
                }
            }
        }
    }
}

impl Post {
    /// Notices what became of the worker.
    fn attend(&mut self, slot: &Slot, ordinal: usize) {
        if let Some(worker) = &self.worker
            && let Err(BackgroundWorkerStatus::Stopped) = worker.pid()
        {
            self.worker = None;
            slot.set_worker(ordinal, None);
            let ran = self.started_at.take().map_or(Duration::ZERO, |started| started.elapsed());
            self.failures = if slot.is_absent() || ran > STABLE { 0 } else { self.failures + 1 };
            let pause = FIRST_RESTART
                .saturating_mul(1 << self.failures.saturating_sub(1).min(16))
                .min(LONGEST_RESTART);
            self.restart_at = Some(Instant::now() + pause);
        }
        // While a worker runs the announcement stays: it may be about to leave for want of the extension.
        if ordinal == 0 && self.worker.is_none() && slot.take_announced() {
            slot.set_absent(false);
            self.restart_at = None;
            self.failures = 0;
        }
    }

    /// How long until the worker has to be started; `None` where it runs, or is not wanted.
    fn due(&self, slot: &Slot, ordinal: usize) -> Option<Duration> {
        if slot.database() == pg_sys::InvalidOid || self.worker.is_some() || slot.is_absent() {
            return None;
        }
        if slot.is_running(ordinal) {
            // A launcher that was here before has started it. It says so when it ends.
            return None;
        }
        // The first one has found the extension.
        if ordinal > 0 && (ordinal >= settings::workers() || slot.worker(0).is_none()) {
            return None;
        }
        if slot.is_held() {
            return Some(Duration::from_secs(1));
        }
        Some(self.restart_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now())))
    }

    fn start(&mut self, slot: &Slot, n: usize, ordinal: usize) -> bool {
        slot.set_worker(ordinal, None);
        self.worker = process::start_worker(WORKER, n * MAX_WORKERS + ordinal);
        self.started_at = Some(Instant::now());
        self.worker.is_some()
    }
}
