//! Removing the records of a sync that are older than its `max_age`.

use super::{
    Result, column, execute,
    plan::{from_postgres, to_postgres},
    rows, statement,
};
use pgrx::{Uuid, datum::TimestampWithTimeZone};
use sequin_domain::timestamp::Timestamp;

/// The oldest record of a sync.
#[derive(Debug, Clone, Copy)]
pub struct Oldest {
    pub created_at: Timestamp,
    /// When it is too old.
    pub due_at: Timestamp,
    pub is_due: bool,
}

/// `from`: nothing older is there. `None` where there is no record that says when it was created, or no `max_age`.
///
/// Takes no transaction id.
pub fn oldest(stream_id: Uuid, sync_id: Uuid, from: Option<Timestamp>) -> Result<Option<Oldest>> {
    let arguments = [stream_id.into(), sync_id.into(), moment(from).into()];
    let found = rows(statement!("worker/oldest"), &arguments, |row| {
        Ok(Oldest {
            created_at: from_postgres(column(row, 1)?),
            due_at: from_postgres(column(row, 2)?),
            is_due: column(row, 3)?,
        })
    })?;
    Ok(found.into_iter().next())
}

/// Removes the oldest of the records that are too old, at most `limit`; how many. The caller holds the stream's lock.
pub fn remove(stream_id: Uuid, sync_id: Uuid, from: Option<Timestamp>, limit: i64) -> Result<usize> {
    let arguments = [stream_id.into(), sync_id.into(), moment(from).into(), limit.into()];
    execute(statement!("worker/remove_old"), &arguments)
}

fn moment(time: Option<Timestamp>) -> Option<TimestampWithTimeZone> {
    time.and_then(to_postgres)
}
