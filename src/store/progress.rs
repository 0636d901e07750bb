//! How far the worker has come, and what went wrong.

use super::{
    Result, column, execute, first, one,
    plan::{from_postgres, to_postgres},
    rows, statement,
};
use crate::error::invalid;
use pgrx::{Uuid, datum::TimestampWithTimeZone};
use sequin_domain::{failure::Failure, ranges::Span, timestamp::Timestamp};
use sequin_provider::unread::Hides;
use serde_json::{Value, json};

/// Where a range of a backfill stands after a page.
#[derive(Debug, Clone)]
pub struct Standing {
    pub no: i32,
    pub span: Span,
    /// The second down to which the list has been read, where that is known.
    pub reached: Option<i64>,
    /// Where the range goes on, as JSON; `None` at its end.
    pub position: Option<String>,
}

/// A range that is cut off another one.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    pub no: i32,
    pub span: Span,
}

/// What a page adds to a backfill.
pub struct Step<'a> {
    pub range: &'a Standing,
    pub records: i64,
    pub changes: i64,
    pub rejected: i64,
    pub observed_at: Timestamp,
}

/// False where the backfill has been cancelled or sent back to its start, or is gone.
pub fn advance_backfill(id: Uuid, step: &Step<'_>) -> Result<bool> {
    let Step { range, records, changes, rejected, observed_at } = step;
    let arguments = [
        id.into(),
        range.no.into(),
        (*records).into(),
        (*changes).into(),
        (*rejected).into(),
        to_postgres(*observed_at).into(),
        instant(range.span.from).into(),
        instant(range.reached).into(),
        range.position.as_deref().into(),
    ];
    execute(statement!("worker/advance_backfill"), &arguments).map(|advanced| advanced > 0)
}

/// Adds a range that is cut off one of the backfill's.
pub fn cut_range(backfill: Uuid, piece: Piece) -> Result<()> {
    let arguments = [
        backfill.into(),
        piece.no.into(),
        instant(piece.span.from).into(),
        instant(piece.span.before).into(),
    ];
    execute(statement!("worker/cut_range"), &arguments).map(drop)
}

/// A whole second since 1970.
fn instant(second: Option<i64>) -> Option<TimestampWithTimeZone> {
    second.and_then(Timestamp::from_unix_seconds).and_then(to_postgres)
}

/// What a sweep notes of a page, beside the ids on it.
#[derive(Debug, Clone)]
pub struct Noted {
    /// The parents whose children it has shown.
    pub parents: Vec<String>,
    /// Of which records nothing is known because of it.
    pub hides: Hides,
}

impl Noted {
    /// Of an object that was asked for by itself.
    pub fn nothing() -> Self {
        Self { parents: Vec::new(), hides: Hides::None }
    }
}

/// A sweep has seen these objects.
pub fn note_seen(backfill: Uuid, upstream_ids: Vec<String>, noted: &Noted) -> Result<()> {
    let (hides_any, hidden_parent) = match &noted.hides {
        Hides::None => (false, None),
        Hides::Unlisted => (true, None),
        Hides::ChildrenOf(parent) => (false, Some(parent.as_str())),
    };
    let arguments = [
        backfill.into(),
        upstream_ids.into(),
        noted.parents.clone().into(),
        hides_any.into(),
        hidden_parent.into(),
    ];
    execute(statement!("worker/note_seen"), &arguments).map(drop)
}

/// Writes down which lists of a collection could not be read. `is_whole`: all others could; where `is_cut`, only those that
/// come before the last one by name. True where some were written down that now can be.
pub fn note_unread(
    sync_id: Uuid,
    collection_id: &str,
    unread: &[(String, Failure)],
    is_whole: bool,
    is_cut: bool,
) -> Result<bool> {
    let told = |(name, failure): &(String, Failure)| {
        (name.clone(), json!({"class": failure.class.as_str(), "error": failure.message}))
    };
    let unread = Value::Object(unread.iter().map(told).collect()).to_string();
    let arguments =
        [sync_id.into(), collection_id.into(), unread.as_str().into(), is_whole.into(), is_cut.into()];
    one(statement!("worker/note_unread"), &arguments, |row| first(row, 1)).map(|known| known.unwrap_or(false))
}

/// What a sweep has not seen.
pub struct Comparison {
    /// All live records of the collection.
    pub total: i64,
    pub missing: i64,
    /// Those of them that come first.
    pub missing_ids: Vec<String>,
    /// When the first page of the sweep was asked for: what is missing was missing at some time since.
    pub began: Timestamp,
    /// Whether the sweep has seen anything at all.
    pub has_seen: bool,
    /// How many missing ones somebody has confirmed to be deleted.
    pub confirmed: i64,
}

/// Compares what is stored with what a sweep has seen; gives the ids of at most `most` that are missing.
pub fn compare(backfill: Uuid, most: i64) -> Result<Comparison> {
    let comparison = one(statement!("worker/compare"), &[backfill.into(), most.into()], |row| {
        Ok(Comparison {
            total: first(row, 1)?,
            missing: first(row, 2)?,
            missing_ids: first(row, 3)?,
            began: from_postgres(first(row, 4)?),
            has_seen: first(row, 5)?,
            confirmed: first(row, 6)?,
        })
    })?;
    comparison.ok_or_else(|| invalid("the sweep has not begun"))
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

/// The newest deletion that was listed, and when a look at the list that has come to its end was sent.
pub fn move_deletes_cursor(
    sync_id: Uuid,
    collection_id: &str,
    cursor: Option<Timestamp>,
    polled_at: Timestamp,
) -> Result<()> {
    let arguments = [
        sync_id.into(),
        collection_id.into(),
        cursor.and_then(to_postgres).into(),
        to_postgres(polled_at).into(),
    ];
    execute(statement!("worker/move_deletes_cursor"), &arguments).map(drop)
}

/// Those of the objects, which are listed as deleted since then, that are stored as live.
pub fn still_live(
    sync_id: Uuid,
    collection_id: &str,
    tombstones: &[(String, Option<Timestamp>)],
) -> Result<Vec<String>> {
    let ids: Vec<&str> = tombstones.iter().map(|(id, _)| id.as_str()).collect();
    let times: Vec<Option<TimestampWithTimeZone>> =
        tombstones.iter().map(|(_, deleted_at)| deleted_at.and_then(to_postgres)).collect();
    let arguments = [sync_id.into(), collection_id.into(), ids.into(), times.into()];
    rows(statement!("worker/still_live"), &arguments, |row| column(row, 1))
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

/// All that uses the credential has to be silent until then, also after a restart.
pub fn pause_credential(credential_id: Uuid, until: Timestamp) -> Result<()> {
    let arguments = [credential_id.into(), to_postgres(until).into()];
    execute(statement!("worker/pause_credential"), &arguments).map(drop)
}
