//! Backfills, as users ask for them and call them off.

use super::{Result, execute, first, one, statement};
use pgrx::{Uuid, datum::TimestampWithTimeZone};

/// `None` where one of this kind is under way already.
pub fn insert(
    id: Uuid,
    stream_id: Uuid,
    sync_id: Uuid,
    collection_id: &str,
    kind: &str,
    since: Option<TimestampWithTimeZone>,
) -> Result<Option<Uuid>> {
    let arguments =
        [id.into(), stream_id.into(), sync_id.into(), collection_id.into(), kind.into(), since.into()];
    one(statement!("backfills/insert"), &arguments, |row| first(row, 1))
}

/// False where there is no unfinished backfill of this id.
pub fn cancel(id: Uuid) -> Result<bool> {
    execute(statement!("backfills/cancel"), &[id.into()]).map(|cancelled| cancelled > 0)
}

/// Releases the deletions of a collection that the guard has held back, for one sweep; gives the sweep's id, and up to
/// how many. `sweep`: the id of the new one, where none is under way. `None` where nothing is held back.
pub fn confirm_deletes(sweep: Uuid, sync_id: Uuid, collection_id: &str) -> Result<Option<(Uuid, i64)>> {
    let arguments = [sweep.into(), sync_id.into(), collection_id.into()];
    one(statement!("backfills/confirm_deletes"), &arguments, |row| Ok((first(row, 1)?, first(row, 2)?)))
}

/// `None` where there is no such backfill.
pub fn state(id: Uuid) -> Result<Option<String>> {
    one(statement!("backfills/state"), &[id.into()], |row| first(row, 1))
}
