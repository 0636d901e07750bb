//! The settings, all called `sequin.…`; a worker obeys a reload.

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};
use sequin_net::ProxyUrl;
use std::{
    ffi::{CString, OsString},
    os::unix::ffi::OsStringExt,
    path::PathBuf,
    time::Duration,
};

static WORKERS: GucSetting<i32> = GucSetting::<i32>::new(1);
static POLL_INTERVAL: GucSetting<i32> = GucSetting::<i32>::new(2_000);
static ALLOW_PRIVATE_NETWORKS: GucSetting<bool> = GucSetting::<bool>::new(false);
static CA_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static PROXY: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
static KEY_FILE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"sequin.key"));
static KEY_COMMAND: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c""));
static REQUEST_TIMEOUT: GucSetting<i32> = GucSetting::<i32>::new(60_000);
static MAX_RESPONSE_SIZE: GucSetting<i32> = GucSetting::<i32>::new(64 * 1024);
static WORKER_MEMORY: GucSetting<i32> = GucSetting::<i32>::new(256 * 1024);
static DELETE_GUARD: GucSetting<f64> = GucSetting::<f64>::new(0.5);
static MUTATION_RETENTION: GucSetting<i32> = GucSetting::<i32>::new(7 * 24 * 3600);
static SYNC_LOG_LIMIT: GucSetting<i32> = GucSetting::<i32>::new(1_000);

/// To be called when the library is loaded. `most_workers`: how many workers a database can have.
pub fn define(most_workers: usize) {
    GucRegistry::define_int_guc(
        c"sequin.workers",
        c"How many workers each database has that has the extension.",
        c"They share the credentials among them. Each needs one of max_worker_processes.",
        &WORKERS,
        1,
        i32::try_from(most_workers).unwrap_or(1),
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"sequin.poll_interval",
        c"Time between two looks for changes of a continuous sync.",
        c"The rate limit, and what the API asks for, can make it longer.",
        &POLL_INTERVAL,
        50,
        86_400_000,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_bool_guc(
        c"sequin.allow_private_networks",
        c"Lets a credential's base_url be plain HTTP or lead to a private address.",
        c"For tests and for APIs within the company's own network. Who may create credentials can then reach what the server can reach.",
        &ALLOW_PRIVATE_NETWORKS,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"sequin.ca_file",
        c"A file of CA certificates (PEM) that are trusted beside those of the machine.",
        c"Relative to the data directory. While it can't be used, nothing is asked over HTTPS.",
        &CA_FILE,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"sequin.proxy",
        c"The proxy that all requests to APIs go through: http://user:password@host:port.",
        c"HTTPS goes through it by CONNECT. While it can't be used, nothing is asked. The environment is never asked for one.",
        &PROXY,
        GucContext::Sighup,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_string_guc(
        c"sequin.key_file",
        c"The file with the key that seals the credentials' secrets.",
        c"Relative to the data directory. It is made when it is first needed.",
        &KEY_FILE,
        GucContext::Sighup,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_string_guc(
        c"sequin.key_command",
        c"A command that prints the key that seals the credentials' secrets.",
        c"In place of sequin.key_file. It is run by the shell as the server's user.",
        &KEY_COMMAND,
        GucContext::Sighup,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_int_guc(
        c"sequin.request_timeout",
        c"The longest that one request to an API may take.",
        c"From when it is sent until the answer has been read.",
        &REQUEST_TIMEOUT,
        100,
        3_600_000,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"sequin.max_response_size",
        c"The largest answer of an API that is read, decompressed.",
        c"A larger one is an error.",
        &MAX_RESPONSE_SIZE,
        64,
        1024 * 1024,
        GucContext::Sighup,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"sequin.worker_memory",
        c"The most memory that large answers may take together in a worker.",
        c"An answer larger than a 64th of sequin.max_response_size waits until there is room; there is always room for one.",
        &WORKER_MEMORY,
        1024,
        2047 * 1024,
        GucContext::Sighup,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_float_guc(
        c"sequin.delete_guard",
        c"The largest share of a collection's records that one sweep may mark as deleted.",
        c"A sweep that would delete more, and more than 100 records, stops and says so. 1 turns the guard off, but for lists that are empty.",
        &DELETE_GUARD,
        0.0,
        1.0,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"sequin.mutation_retention",
        c"How long mutations are kept that are finished.",
        c"Those whose outcome is uncertain stay until somebody has decided about them.",
        &MUTATION_RETENTION,
        1,
        315_360_000,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    // Only the functions in SQL read it.
    GucRegistry::define_int_guc(
        c"sequin.sync_log_limit",
        c"How many rows of sequin.sync_log are kept for each sync.",
        c"The oldest go when new ones come.",
        &SYNC_LOG_LIMIT,
        10,
        100_000,
        GucContext::Sighup,
        GucFlags::default(),
    );
}

/// The settings at one moment: they can only be read on the main thread.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub poll_interval: Duration,
    pub allow_private_networks: bool,
    pub ca_file: Option<PathBuf>,
    pub proxy: Option<ProxyUrl>,
    pub request_timeout: Duration,
    pub max_response_bytes: u64,
    pub max_memory: u64,
    pub delete_guard: f64,
    pub mutation_retention: Duration,
}

impl Settings {
    pub fn current() -> Self {
        let millis = |setting: &GucSetting<i32>| Duration::from_millis(setting.get().unsigned_abs().into());
        let bytes = |setting: &GucSetting<i32>| u64::from(setting.get().unsigned_abs()) * 1024;
        Self {
            poll_interval: millis(&POLL_INTERVAL),
            allow_private_networks: allow_private_networks(),
            ca_file: file(&CA_FILE),
            // What is not UTF-8 is no URL, and is told to be none.
            proxy: bytes_of(&PROXY).map(|url| String::from_utf8_lossy(&url).into_owned().into()),
            request_timeout: millis(&REQUEST_TIMEOUT),
            max_response_bytes: bytes(&MAX_RESPONSE_SIZE),
            max_memory: bytes(&WORKER_MEMORY),
            delete_guard: DELETE_GUARD.get(),
            mutation_retention: Duration::from_secs(MUTATION_RETENTION.get().unsigned_abs().into()),
        }
    }
}

/// How many workers a database shall have.
pub fn workers() -> usize {
    usize::try_from(WORKERS.get()).unwrap_or(1)
}

pub fn allow_private_networks() -> bool {
    ALLOW_PRIVATE_NETWORKS.get()
}

/// The file of the key.
pub fn key_file() -> PathBuf {
    file(&KEY_FILE).unwrap_or_else(|| "sequin.key".into())
}

/// The command that prints the key, where there is one.
pub fn key_command() -> Option<OsString> {
    bytes_of(&KEY_COMMAND).map(OsString::from_vec)
}

/// A file's name; PostgreSQL's processes run in the data directory, so it may be relative.
fn file(setting: &GucSetting<Option<CString>>) -> Option<PathBuf> {
    bytes_of(setting).map(|name| OsString::from_vec(name).into())
}

/// What a setting says; `None` where it is empty.
fn bytes_of(setting: &GucSetting<Option<CString>>) -> Option<Vec<u8>> {
    setting.get().map(CString::into_bytes).filter(|text| !text.is_empty())
}
