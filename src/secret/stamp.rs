//! How a file is known to be another one than before.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// Changes with whatever is done to a file: writing, replacing, and letting somebody read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    changed_at: (i64, i64),
}

impl Stamp {
    /// Of the file as it is now; `None` where there is none.
    pub fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| (&metadata).into())
    }

    /// Whether both are of one file, whatever was done to it.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl From<&fs::Metadata> for Stamp {
    fn from(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            changed_at: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}
