//! Consumers whose clients want to be notified.

use super::{Result, column, rows, statement};
use pgrx::Uuid;
use std::time::Duration;

pub struct Listener {
    pub consumer_no: i32,
    pub stream_id: Uuid,
    /// There is at most one notification in this time.
    pub interval: Duration,
    /// Changes with the consumer's settings.
    pub version: String,
}

/// How far a consumer had come when it was last looked at, and up to where there was nothing for it.
pub type Seen = (Option<i64>, Option<i64>);

pub fn all() -> Result<Vec<Listener>> {
    rows(statement!("worker/listeners"), &[], |row| {
        Ok(Listener {
            consumer_no: column(row, 1)?,
            stream_id: column(row, 2)?,
            interval: Duration::from_millis(column::<i64>(row, 3)?.unsigned_abs()),
            version: column(row, 4)?,
        })
    })
}

/// Notifies the clients of a consumer if there is anything for it; takes no transaction id otherwise.
pub fn notify(consumer_no: i32, seen: Seen) -> Result<Seen> {
    let arguments = [consumer_no.into(), seen.0.into(), seen.1.into()];
    let seen = rows(statement!("worker/notify"), &arguments, |row| Ok((row.get(1)?, row.get(2)?)))?;
    Ok(seen.into_iter().next().unwrap_or_default())
}
