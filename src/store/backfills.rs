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

/// Lets go of the deletions of a collection that the guard has held back; how many. `None` where there are none.
pub fn release_deletes(sync_id: Uuid, collection_id: &str) -> Result<Option<i64>> {
    one(statement!("backfills/release_deletes"), &[sync_id.into(), collection_id.into()], |row| first(row, 1))
}

/// Lets the unfinished sweep of a collection delete so many; its id. `None` where there is no such sweep.
pub fn allow_deletes(sync_id: Uuid, collection_id: &str, may_delete: i64) -> Result<Option<Uuid>> {
    let arguments = [sync_id.into(), collection_id.into(), may_delete.into()];
    one(statement!("backfills/allow_deletes"), &arguments, |row| first(row, 1))
}

/// `None` where there is no such backfill.
pub fn state(id: Uuid) -> Result<Option<String>> {
    one(statement!("backfills/state"), &[id.into()], |row| first(row, 1))
}

/// The list of a collection, or of all of a sync, is another one than before: what is unfinished starts over. So do looks,
/// unless it leads to what they know, and more: that is what `keeps_looks` says.
pub fn restart(sync_id: Uuid, collection_id: Option<&str>, keeps_looks: bool) -> Result<()> {
    let arguments = [sync_id.into(), collection_id.into(), (!keeps_looks).into()];
    execute(statement!("backfills/restart"), &arguments).map(drop)
}
