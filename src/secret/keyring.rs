//! The keys that there are, from the key file or from a command, and kept in this process until they change.

use super::{
    key::{self, Key},
    key_file,
    stamp::Stamp,
};
use crate::{
    error::{Result, error},
    pg::{command, shared},
    settings,
};
use pgrx::{pg_sys::panic::ErrorReport, prelude::*};
use std::{
    cell::RefCell,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

/// How long the command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// What the command has printed is not used for longer to seal something: what was sealed with a key that the command
/// no longer prints would be lost.
const COMMAND_LIFETIME: Duration = Duration::from_secs(60);
/// A command that has failed, or has not printed the key that is needed, is not run again before.
const COMMAND_PAUSE: Duration = Duration::from_secs(10);

/// How many the file can have; far less than would be too long to be read.
const MOST_KEYS: usize = 100;

/// Keys, the newest first; never none.
pub struct Keyring {
    keys: Vec<Key>,
}

#[derive(Clone, PartialEq)]
enum Source {
    File(PathBuf),
    Command(OsString),
}

struct Known {
    source: Source,
    stamp: Option<Stamp>,
    read_at: Instant,
    outcome: std::result::Result<Rc<Keyring>, String>,
}

thread_local! {
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

impl Source {
    fn configured() -> Self {
        settings::key_command().map_or_else(|| Self::File(settings::key_file()), Self::Command)
    }

    fn stamp(&self) -> Option<Stamp> {
        match self {
            Self::File(path) => Stamp::of(path),
            Self::Command(_) => None,
        }
    }

    fn read(&self) -> io::Result<Vec<Key>> {
        match self {
            Self::File(path) => key_file::read(path),
            Self::Command(text) => key::read(&command::output(text, COMMAND_TIMEOUT, key_file::LONGEST)?),
        }
    }

    fn unusable(&self, problem: &str) -> ErrorReport {
        let message = match self {
            Self::File(path) => format!("the key file {path:?} can't be used: {problem}"),
            // Its text is not for everybody to see.
            Self::Command(_) => format!("the command of sequin.key_command gives no key: {problem}"),
        };
        let hint = match self {
            Self::File(_) => {
                "Restore the file from a backup, with mode 0600 and owned by the server's user, or let the setting sequin.key_file name the right one. If the key is lost for good, put a new one there (64 hexadecimal digits), and give each credential its secrets again."
            }
            Self::Command(_) => {
                "Run it as the server's user: within 10 seconds it must print the key, 64 hexadecimal digits, and exit with 0. What it writes to its standard error is in the server's log."
            }
        };
        error(PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR, message)
            .set_detail("The secrets of credentials are sealed with this key.")
            .set_hint(hint)
    }
}

impl Known {
    /// Whether it can be used still; `needed`: the key that it should have, `None`: the newest that there is.
    fn is_current(&self, source: &Source, stamp: Option<Stamp>, needed: Option<&str>) -> bool {
        let age = self.read_at.elapsed();
        self.source == *source
            && match (source, &self.outcome) {
                (Source::File(_), Ok(_)) => stamp.is_some() && stamp == self.stamp,
                (Source::File(_), Err(_)) => false,
                (Source::Command(_), Err(_)) => age < COMMAND_PAUSE,
                (Source::Command(_), Ok(keyring)) => match needed {
                    Some(id) => keyring.find(id).is_some() || age < COMMAND_PAUSE,
                    None => age < COMMAND_LIFETIME,
                },
            }
    }
}

impl Keyring {
    /// With the newest key that there is.
    pub fn for_sealing() -> Result<Rc<Self>> {
        Self::load(None)
    }

    /// With the key of this fingerprint, where there is one.
    pub fn with(id: &str) -> Result<Rc<Self>> {
        Self::load(Some(id))
    }

    fn load(needed: Option<&str>) -> Result<Rc<Self>> {
        let source = Source::configured();
        // Taken before the file is read: a change meanwhile is noticed the next time.
        let stamp = source.stamp();
        let known = KNOWN.with_borrow(|known| {
            let known = known.as_ref().filter(|known| known.is_current(&source, stamp, needed))?;
            Some(known.outcome.clone())
        });
        let outcome = known.unwrap_or_else(|| {
            let outcome =
                source.read().map(|keys| Rc::new(Self { keys })).map_err(|problem| problem.to_string());
            let known = Known { source: source.clone(), stamp, read_at: Instant::now(), outcome };
            let outcome = known.outcome.clone();
            KNOWN.set(Some(known));
            outcome
        });
        let keyring = outcome.map_err(|problem| source.unusable(&problem))?;
        shared::set_current_key(keyring.newest().fingerprint());
        Ok(keyring)
    }

    pub fn newest(&self) -> &Key {
        &self.keys[0]
    }

    pub fn find(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id() == id)
    }

    /// Their fingerprints.
    pub fn ids(&self) -> String {
        self.keys.iter().map(Key::id).collect::<Vec<_>>().join(", ")
    }
}

/// Forgets what this process knows of the keys.
pub fn read_anew() {
    KNOWN.set(None);
}

/// The fingerprint of the key that seals.
pub fn current_key() -> Result<String> {
    Keyring::for_sealing().map(|keyring| keyring.newest().id())
}

/// Whether the keys are a command's to give.
pub fn is_from_command() -> bool {
    matches!(Source::configured(), Source::Command(_))
}

/// How the key file is now; `None` where there is none.
pub fn key_stamp() -> Option<Stamp> {
    Source::configured().stamp()
}

/// Makes the key file where there is none.
///
/// To be called only where nothing is sealed yet: a new key in place of a lost one would open nothing.
pub fn create_key_if_missing() -> Result<()> {
    match Source::configured() {
        source @ Source::File(_) if source.stamp().is_none() => in_file(&source, key_file::create),
        _ => Ok(()),
    }
}

/// Makes a new key, which seals from now on; all others stay, as what they have sealed has to be opened. Nothing undoes it.
pub fn add_key() -> Result<()> {
    in_file(&Source::configured(), |path| {
        key_file::change(path, |old| {
            if old.len() >= MOST_KEYS {
                let problem = format!("it has {MOST_KEYS} keys already; forget the old ones first");
                return Err(io::Error::other(problem));
            }
            Ok(std::iter::once(Key::generate()).chain(old).collect())
        })
    })
}

/// Removes all keys but the newest, which must still be `current`. Nothing undoes it.
pub fn forget_old_keys(current: &str) -> Result<()> {
    in_file(&Source::configured(), |path| {
        key_file::change(path, |mut keys| {
            if keys.first().is_some_and(|key| key.id() == current) {
                keys.truncate(1);
            }
            Ok(keys)
        })
    })
}

fn in_file(source: &Source, act: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    match source {
        Source::File(path) => act(path).map_err(|problem| source.unusable(&problem.to_string())),
        Source::Command(_) => Err(error(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            "the keys are those that the command of sequin.key_command prints",
        )
        .set_detail("They can't be changed from here.")
        .set_hint("Have the command print the new key in its first line and the old ones below, and then call sequin.rotate_key().")),
    }
}
