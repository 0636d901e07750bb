//! Streams.

use super::{Result, column, execute, first, one, rows, statement};
use pgrx::{JsonB, Uuid};

/// `None` where the name is taken.
pub fn insert(id: Uuid, name: &str, metadata: JsonB) -> Result<Option<Uuid>> {
    one(statement!("streams/insert"), &[id.into(), name.into(), metadata.into()], |row| first(row, 1))
}

pub fn find(name: &str) -> Result<Option<Uuid>> {
    one(statement!("streams/find"), &[name.into()], |row| first(row, 1))
}

pub fn names() -> Result<Vec<String>> {
    rows(statement!("streams/names"), &[], |row| column(row, 1))
}

/// What belongs to the stream, in words; `None` where nothing does.
pub fn dependents(id: Uuid) -> Result<Option<String>> {
    one(statement!("streams/dependents"), &[id.into()], |row| row.get(1)).map(Option::flatten)
}

/// Deletes the stream with all that belongs to it.
pub fn delete(id: Uuid) -> Result<()> {
    execute(statement!("streams/delete"), &[id.into()]).map(drop)
}
