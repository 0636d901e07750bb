//! The file with the keys of the cluster, which several sessions may want to change at once.

use super::{
    key::{self, Key},
    stamp::Stamp,
};
use crate::pg::wait;
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// The most that the file may have, in bytes.
pub const LONGEST: usize = 16 * 1024;
/// How long another session may take to change the file, which takes it milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// The keys in the file, the newest first.
pub fn read(path: &Path) -> io::Result<Vec<Key>> {
    read_from(&File::open(path)?)
}

fn read_from(file: &File) -> io::Result<Vec<Key>> {
    let metadata = file.metadata()?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "group or others can read it; it must have mode 0600",
        ));
    }
    if metadata.len() > LONGEST as u64 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it has more than the {LONGEST} bytes that it may have"),
        ));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    file.take(LONGEST as u64).read_to_end(&mut text)?;
    key::read(&text)
}

/// Makes the file with a new key, unless there is one already: whoever is first, wins.
pub fn create(path: &Path) -> io::Result<()> {
    let unfinished = write_aside(path, &[Key::generate()])?;
    // Linked into place, so that no crash leaves half a key under the name.
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked.and_then(|()| sync_folder(path)),
    }
}

/// Puts what `edit` makes of the keys in their place, at once and for good: whoever reads the file finds it as it was or
/// as it is then.
pub fn change(path: &Path, edit: impl FnOnce(Vec<Key>) -> io::Result<Vec<Key>>) -> io::Result<()> {
    // Where it is a link, what it leads to is replaced.
    let path = fs::canonicalize(path)?;
    let file = lock(&path)?;
    let unfinished = write_aside(&path, &edit(read_from(&file)?)?)?;
    fs::rename(unfinished, &path)?;
    sync_folder(&path)
}

/// The file, which nobody else changes as long as it is open.
fn lock(path: &Path) -> io::Result<File> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let file = File::open(path)?;
        match file.try_lock() {
            Ok(()) => {
                let locked = Stamp::from(&file.metadata()?);
                // Another session may have put its own in place of the one that was opened.
                if Stamp::of(path).is_some_and(|there| there.is_same_file(&locked)) {
                    return Ok(file);
                }
            }
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => wait::latch(BETWEEN_TRIES),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another session is changing it"));
            }
            Err(TryLockError::Error(problem)) => return Err(problem),
        }
    }
}

/// A file beside that one.
fn write_aside(path: &Path, keys: &[Key]) -> io::Result<PathBuf> {
    let unfinished = path.with_extension(format!("new.{}", std::process::id()));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    let written = file.write_all(key::write(keys).as_bytes()).and_then(|()| file.sync_all());
    match written {
        Ok(()) => Ok(unfinished),
        Err(problem) => {
            fs::remove_file(&unfinished)?;
            Err(problem)
        }
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
