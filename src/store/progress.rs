//! How far the worker has come, and what went wrong.

use super::{
    Result, column, execute, first, one,
    plan::{from_postgres, to_postgres},
    rows, statement,
};
use crate::error::invalid;
use pgrx::{Uuid, datum::TimestampWithTimeZone};
use sequin_domain::{failure::Failure, timestamp::Timestamp};

/// What a page adds to a backfill.
pub struct Step<'a> {
    /// Where the backfill goes on, as JSON.
    pub position: Option<&'a str>,
    pub records: i64,
    pub changes: i64,
    pub rejected: i64,
    pub observed_at: Timestamp,
}

/// False where the backfill has been cancelled or is gone.
pub fn advance_backfill(id: Uuid, step: &Step<'_>) -> Result<bool> {
    let arguments = [
        id.into(),
        step.position.into(),
        step.records.into(),
        step.changes.into(),
        step.rejected.into(),
        to_postgres(step.observed_at).into(),
    ];
    execute(statement!("worker/advance_backfill"), &arguments).map(|advanced| advanced > 0)
}

/// A sweep has seen these objects.
pub fn note_seen(backfill: Uuid, upstream_ids: Vec<String>) -> Result<()> {
    execute(statement!("worker/note_seen"), &[backfill.into(), upstream_ids.into()]).map(drop)
}

/// What a sweep has not seen.
pub struct Comparison {
    /// All live records of the collection.
    pub total: i64,
    pub missing: i64,
    /// When the first page of the sweep was asked for: what is missing was missing at some time since.
    pub began: Timestamp,
    /// Whether the sweep has seen anything at all.
    pub has_seen: bool,
    /// How many missing ones somebody has confirmed to be deleted.
    pub confirmed: i64,
}

pub fn compare(backfill: Uuid) -> Result<Comparison> {
    let comparison = one(statement!("worker/compare"), &[backfill.into()], |row| {
        Ok(Comparison {
            total: first(row, 1)?,
            missing: first(row, 2)?,
            began: from_postgres(first(row, 3)?),
            has_seen: first(row, 4)?,
            confirmed: first(row, 5)?,
        })
    })?;
    comparison.ok_or_else(|| invalid("the sweep has not begun"))
}

/// Some of the live records that a sweep has not seen.
pub fn missing(backfill: Uuid, limit: i64) -> Result<Vec<String>> {
    rows(statement!("worker/missing"), &[backfill.into(), limit.into()], |row| column(row, 1))
}

pub fn complete_backfill(id: Uuid) -> Result<()> {
    execute(statement!("worker/complete_backfill"), &[id.into()]).map(drop)
}

/// Calls a sweep off that misses too much to be believed, and says so; the next one comes in its time.
pub fn hold_back(id: Uuid, missing: i64, total: i64) -> Result<()> {
    execute(statement!("worker/hold_back"), &[id.into(), missing.into(), total.into()]).map(drop)
}

/// A sweep has found that so many objects are gone.
pub fn count_deletions(id: Uuid, deletions: i64) -> Result<()> {
    execute(statement!("worker/count_deletions"), &[id.into(), deletions.into()]).map(drop)
}

pub fn start_sweep(id: Uuid, sync_id: Uuid, collection_id: &str) -> Result<()> {
    execute(statement!("worker/start_sweep"), &[id.into(), sync_id.into(), collection_id.into()]).map(drop)
}

/// Forgets where a feed was, and lets the unfinished backfills of its collections start over.
pub fn reset_feed(sync_id: Uuid, feed: &str) -> Result<()> {
    execute(statement!("worker/resync_feed"), &[sync_id.into(), feed.into()]).map(drop)
}

/// The feed has been read: everything that occurred before `cursor` is stored.
pub fn move_feed(sync_id: Uuid, feed: &str, cursor: Timestamp, polled_at: Timestamp) -> Result<()> {
    let arguments = [sync_id.into(), feed.into(), to_postgres(cursor).into(), to_postgres(polled_at).into()];
    execute(statement!("worker/move_feed"), &arguments).map(drop)
}

/// The newest object that was seen, and when a poll that has come to its end was sent.
pub fn move_cursor(
    sync_id: Uuid,
    collection_id: &str,
    cursor: Option<Timestamp>,
    polled_at: Option<Timestamp>,
) -> Result<()> {
    let moment = |time: Option<Timestamp>| -> Option<TimestampWithTimeZone> { time.and_then(to_postgres) };
    let arguments = [sync_id.into(), collection_id.into(), moment(cursor).into(), moment(polled_at).into()];
    execute(statement!("worker/move_cursor"), &arguments).map(drop)
}

pub fn fail_collection(
    sync_id: Uuid,
    collection_id: &str,
    failure: &Failure,
    retry_at: Timestamp,
) -> Result<()> {
    fail(statement!("worker/fail_collection"), sync_id, collection_id, failure, retry_at)
}

pub fn fail_feed(sync_id: Uuid, feed: &str, failure: &Failure, retry_at: Timestamp) -> Result<()> {
    fail(statement!("worker/fail_feed"), sync_id, feed, failure, retry_at)
}

fn fail(
    statement: &'static str,
    sync_id: Uuid,
    name: &str,
    failure: &Failure,
    retry_at: Timestamp,
) -> Result<()> {
    let arguments = [
        sync_id.into(),
        name.into(),
        failure.class.as_str().into(),
        failure.message.as_str().into(),
        to_postgres(retry_at).into(),
    ];
    execute(statement, &arguments).map(drop)
}

pub fn recover_collection(sync_id: Uuid, collection_id: &str) -> Result<()> {
    execute(statement!("worker/recover_collection"), &[sync_id.into(), collection_id.into()]).map(drop)
}
