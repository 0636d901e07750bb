//! Objects that were set aside, and are fetched again because somebody asked for it.

use super::{Result, column, execute, first, one, rows, statement};
use pgrx::Uuid;

/// Has all objects of these collections that were set aside and have an id fetched again; how many there are.
pub fn mark(sync_id: Uuid, collection_ids: Vec<String>) -> Result<i64> {
    let marked =
        one(statement!("rejected/mark"), &[sync_id.into(), collection_ids.into()], |row| first(row, 1))?;
    Ok(marked.unwrap_or(0))
}

/// How many objects of `collection_ids` were set aside and can't be fetched one by one, by collection; those of
/// `retrievable` can, if they have an id.
pub fn left_over(
    sync_id: Uuid,
    collection_ids: Vec<String>,
    retrievable: Vec<String>,
) -> Result<Vec<(String, i64)>> {
    let arguments = [sync_id.into(), collection_ids.into(), retrievable.into()];
    rows(statement!("rejected/left_over"), &arguments, |row| Ok((column(row, 1)?, column(row, 2)?)))
}

/// The collections of active syncs with objects to be fetched again.
pub fn collections() -> Result<Vec<(Uuid, String)>> {
    rows(statement!("worker/rejected_collections"), &[], |row| Ok((column(row, 1)?, column(row, 2)?)))
}

/// Some of the objects of a collection that are to be fetched again.
pub fn objects(sync_id: Uuid, collection_id: &str, limit: i64) -> Result<Vec<String>> {
    let arguments = [sync_id.into(), collection_id.into(), limit.into()];
    rows(statement!("worker/rejected_objects"), &arguments, |row| column(row, 1))
}

/// The object has been fetched again, or can't be: `problem` says why.
pub fn settle(sync_id: Uuid, collection_id: &str, upstream_id: &str, problem: Option<&str>) -> Result<()> {
    let arguments = [sync_id.into(), collection_id.into(), upstream_id.into(), problem.into()];
    execute(statement!("worker/settle_rejected"), &arguments).map(drop)
}
