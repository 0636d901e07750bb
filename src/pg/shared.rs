//! What the processes of a cluster share: which databases have a worker, and who waits for a change.

use pgrx::prelude::*;
use std::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering::SeqCst},
    time::Duration,
};

/// How many databases of a cluster can have workers.
pub const MAX_DATABASES: usize = 128;
/// How many workers a database can have.
pub const MAX_WORKERS: usize = 8;
/// Streams are spread over so many places.
const CHANGE_VARIABLES: usize = 128;

/// A database, from the moment that the launcher knows of it.
#[repr(C)]
pub struct Slot {
    /// 0: the slot is free.
    database: AtomicU32,
    workers: [Worker; MAX_WORKERS],
    /// The extension may have been created.
    announced: AtomicBool,
    /// A worker looked and found no extension.
    absent: AtomicBool,
    /// A worker wants to know of each change of a stream.
    watching: AtomicBool,
    /// The backend that needs the database to itself, or 0.
    held_by: AtomicI32,
    /// As [`SealedWith`] is written down.
    sealed_with: AtomicU64,
}

/// With which key everything that is sealed in a database is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedWith {
    /// No worker has said yet.
    Unknown,
    Nothing,
    Several,
    /// The key of this fingerprint.
    One(u64),
}

impl SealedWith {
    // As good as certainly no fingerprints.
    const UNKNOWN: u64 = 0;
    const NOTHING: u64 = 1;
    const SEVERAL: u64 = 2;

    fn written(self) -> u64 {
        match self {
            Self::Unknown => Self::UNKNOWN,
            Self::Nothing => Self::NOTHING,
            Self::Several => Self::SEVERAL,
            Self::One(key) => key,
        }
    }

    fn read(written: u64) -> Self {
        match written {
            Self::UNKNOWN => Self::Unknown,
            Self::NOTHING => Self::Nothing,
            Self::SEVERAL => Self::Several,
            key => Self::One(key),
        }
    }
}

/// One of a database's workers.
#[repr(C)]
struct Worker {
    /// 0: it is not running.
    pid: AtomicI32,
    /// There is something new for it.
    woken: AtomicBool,
    /// A session waits for a credential to be checked.
    asked: AtomicBool,
    /// There are mutations that it has not seen.
    called: AtomicBool,
}

#[repr(C)]
struct Shared {
    launcher: AtomicI32,
    /// The fingerprint of the key that seals secrets, as it was seen last; 0: not yet.
    current_key: AtomicU64,
    slots: [Slot; MAX_DATABASES],
    /// How often streams have changed, and who waits for that.
    counts: [AtomicU64; CHANGE_VARIABLES],
    changes: [pg_sys::ConditionVariable; CHANGE_VARIABLES],
}

static SHARED: AtomicPtr<Shared> = AtomicPtr::new(ptr::null_mut());
static mut PREVIOUS_REQUEST: Option<unsafe extern "C-unwind" fn()> = None;
static mut PREVIOUS_STARTUP: Option<unsafe extern "C-unwind" fn()> = None;

/// Asks for shared memory; to be called while `shared_preload_libraries` are loaded.
pub fn install() {
    // SAFETY: the postmaster has one thread, and hooks are chained as PostgreSQL's own modules do.
    unsafe {
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(request);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(startup);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn request() {
    // SAFETY: PostgreSQL calls this when shared memory may be asked for.
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            previous();
        }
        pg_sys::RequestAddinShmemSpace(size_of::<Shared>());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn startup() {
    // SAFETY: PostgreSQL calls this when shared memory exists; the memory is as large as asked for, aligned to a cache
    // line, and nobody else uses it before it is published. Zeroes are valid atomics, and the condition variables are
    // initialised before use.
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            previous();
        }
        let mut found = false;
        let shared: *mut Shared =
            pg_sys::ShmemInitStruct(c"sequin".as_ptr(), size_of::<Shared>(), &mut found).cast();
        if !found {
            ptr::write_bytes(shared.cast::<c_void>().cast::<u8>(), 0, size_of::<Shared>());
            for n in 0..CHANGE_VARIABLES {
                pg_sys::ConditionVariableInit(&raw mut (*shared).changes[n]);
            }
        }
        SHARED.store(shared, SeqCst);
    }
}

/// Whether the library was loaded with the server.
pub fn is_installed() -> bool {
    !SHARED.load(SeqCst).is_null()
}

fn shared() -> Option<&'static Shared> {
    // SAFETY: once it is set, the pointer is to shared memory that lives as long as the process; what changes in it
    // are atomics, and the condition variables, which are only touched through PostgreSQL's functions.
    unsafe { SHARED.load(SeqCst).as_ref() }
}

/// All slots; none without the library in `shared_preload_libraries`.
pub fn slots() -> &'static [Slot] {
    shared().map_or(&[], |shared| &shared.slots)
}

/// The slot of a database.
pub fn slot_of(database: pg_sys::Oid) -> Option<&'static Slot> {
    slots().iter().find(|slot| slot.database() == database)
}

/// The fingerprint of the key that seals secrets, as it was seen last.
pub fn current_key() -> Option<u64> {
    shared().map(|shared| shared.current_key.load(SeqCst)).filter(|key| *key != 0)
}

pub fn set_current_key(fingerprint: u64) {
    if let Some(shared) = shared() {
        shared.current_key.store(fingerprint, SeqCst);
    }
}

/// The launcher says who it is.
pub fn set_launcher(pid: i32) {
    if let Some(shared) = shared() {
        shared.launcher.store(pid, SeqCst);
    }
}

/// Makes the launcher look at the databases again.
pub fn wake_launcher() {
    if let Some(shared) = shared() {
        set_latch_of(shared.launcher.load(SeqCst));
    }
}

/// The extension has been created in this database, and that is committed.
pub fn announce_extension() {
    // SAFETY: it is a plain global of this backend.
    if let Some(slot) = slot_of(unsafe { pg_sys::MyDatabaseId }) {
        slot.announced.store(true, SeqCst);
    }
    wake_launcher();
}

/// There is something new for the workers of this database.
pub fn wake_workers() {
    // SAFETY: it is a plain global of this backend.
    if let Some(slot) = slot_of(unsafe { pg_sys::MyDatabaseId }) {
        slot.wake_all();
    }
}

/// A session of this database waits for a credential to be checked.
pub fn ask_workers() {
    // SAFETY: it is a plain global of this backend.
    if let Some(slot) = slot_of(unsafe { pg_sys::MyDatabaseId }) {
        for worker in &slot.workers {
            worker.asked.store(true, SeqCst);
            set_latch_of(worker.pid.load(SeqCst));
        }
    }
}

/// There are mutations for the workers of this database.
pub fn call_workers() {
    // SAFETY: it is a plain global of this backend.
    if let Some(slot) = slot_of(unsafe { pg_sys::MyDatabaseId }) {
        for worker in &slot.workers {
            worker.called.store(true, SeqCst);
            set_latch_of(worker.pid.load(SeqCst));
        }
    }
}

impl Slot {
    pub fn database(&self) -> pg_sys::Oid {
        pg_sys::Oid::from(self.database.load(SeqCst))
    }

    /// Only the launcher gives slots to databases.
    pub fn assign(&self, database: pg_sys::Oid) {
        for worker in &self.workers {
            worker.pid.store(0, SeqCst);
        }
        self.absent.store(false, SeqCst);
        self.watching.store(false, SeqCst);
        self.announced.store(false, SeqCst);
        self.held_by.store(0, SeqCst);
        self.set_sealed_with(SealedWith::Unknown);
        self.database.store(database.to_u32(), SeqCst);
    }

    pub fn release(&self) {
        self.database.store(0, SeqCst);
    }

    /// The process of a worker, where it runs.
    pub fn worker(&self, ordinal: usize) -> Option<i32> {
        Some(self.workers[ordinal].pid.load(SeqCst)).filter(|pid| *pid != 0)
    }

    /// The processes of all workers that run.
    pub fn all_workers(&self) -> impl Iterator<Item = i32> {
        (0..MAX_WORKERS).filter_map(|ordinal| self.worker(ordinal))
    }

    /// Whether that process is there: it leaves its entry behind only in a crash.
    pub fn is_running(&self, ordinal: usize) -> bool {
        self.worker(ordinal).is_some_and(is_backend)
    }

    pub fn set_worker(&self, ordinal: usize, pid: Option<i32>) {
        self.workers[ordinal].pid.store(pid.unwrap_or(0), SeqCst);
    }

    /// There is something new for all workers.
    pub fn wake_all(&self) {
        for worker in &self.workers {
            worker.woken.store(true, SeqCst);
            set_latch_of(worker.pid.load(SeqCst));
        }
    }

    pub fn take_woken(&self, ordinal: usize) -> bool {
        self.workers[ordinal].woken.swap(false, SeqCst)
    }

    pub fn take_asked(&self, ordinal: usize) -> bool {
        self.workers[ordinal].asked.swap(false, SeqCst)
    }

    pub fn take_called(&self, ordinal: usize) -> bool {
        self.workers[ordinal].called.swap(false, SeqCst)
    }

    pub fn take_announced(&self) -> bool {
        self.announced.swap(false, SeqCst)
    }

    pub fn set_absent(&self, absent: bool) {
        self.absent.store(absent, SeqCst);
    }

    pub fn is_absent(&self) -> bool {
        self.absent.load(SeqCst)
    }

    pub fn set_sealed_with(&self, keys: SealedWith) {
        self.sealed_with.store(keys.written(), SeqCst);
    }

    pub fn sealed_with(&self) -> SealedWith {
        SealedWith::read(self.sealed_with.load(SeqCst))
    }

    /// Whether workers are woken by each change of a stream.
    pub fn set_watching(&self, watching: bool) {
        self.watching.store(watching, SeqCst);
    }

    /// Keeps workers out of the database until [`Slot::let_go`], or until the backend is gone.
    pub fn hold(&self, backend: i32) {
        self.held_by.store(backend, SeqCst);
    }

    pub fn let_go(&self) {
        self.held_by.store(0, SeqCst);
    }

    pub fn is_held(&self) -> bool {
        let backend = self.held_by.load(SeqCst);
        backend != 0 && is_backend(backend)
    }
}

fn is_backend(pid: i32) -> bool {
    // SAFETY: looks the process up in shared memory; a null pointer says that there is no such backend.
    unsafe { !pg_sys::BackendPidGetProc(pid).is_null() }
}

fn set_latch_of(pid: i32) {
    if pid != 0 {
        // SAFETY: the entry of a live backend has a latch, which may be set by any process at any time; an entry that
        // has been given to another process since gets a spurious wake-up, for which all waiters are prepared.
        unsafe {
            let process = pg_sys::BackendPidGetProc(pid);
            if !process.is_null() {
                pg_sys::SetLatch(&raw mut (*process).procLatch);
            }
        }
    }
}

/// The place of a stream; streams that share one are taken for one another, which costs no more than a vain look.
fn place_of(stream: &[u8; 16]) -> usize {
    // The last bytes of a UUID are random in every version in use.
    usize::from(stream[15]) % CHANGE_VARIABLES
}

fn change_variable(stream: &[u8; 16]) -> Option<*mut pg_sys::ConditionVariable> {
    let shared = SHARED.load(SeqCst);
    // SAFETY: the pointer is to shared memory, and the index within the array.
    (!shared.is_null()).then(|| unsafe { &raw mut (*shared).changes[place_of(stream)] })
}

/// A number that grows with each change of the stream.
pub fn changes_of(stream: &[u8; 16]) -> u64 {
    shared().map_or(0, |shared| shared.counts[place_of(stream)].load(SeqCst))
}

/// Wakes all that wait for a change of the stream.
pub fn announce_change(stream: &[u8; 16]) {
    if let Some(shared) = shared() {
        shared.counts[place_of(stream)].fetch_add(1, SeqCst);
    }
    // SAFETY: it is a plain global of this backend.
    if let Some(slot) = slot_of(unsafe { pg_sys::MyDatabaseId })
        && slot.watching.load(SeqCst)
    {
        slot.all_workers().for_each(set_latch_of);
    }
    if let Some(variable) = change_variable(stream) {
        // SAFETY: the variable was initialised at start-up.
        unsafe { pg_sys::ConditionVariableBroadcast(variable) };
    }
}

/// Sleeps until the stream changes, or `timeout` is over; may return early for no reason, as it does on the first call.
///
/// True where the time is over. An interrupt ends it with an error.
pub fn wait_for_change(stream: &[u8; 16], timeout: Duration) -> Option<bool> {
    let variable = change_variable(stream)?;
    let millis = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX).min(i64::from(i32::MAX));
    // SAFETY: the variable was initialised at start-up; PostgreSQL leaves its queue when the transaction ends.
    Some(unsafe { pg_sys::ConditionVariableTimedSleep(variable, millis, pg_sys::PG_WAIT_EXTENSION) })
}

/// Leaves the queue that [`wait_for_change`] joined.
pub fn stop_waiting() {
    // SAFETY: does nothing where this process is in no queue.
    unsafe { pg_sys::ConditionVariableCancelSleep() };
}
