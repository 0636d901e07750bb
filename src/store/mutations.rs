//! Changes to be made at APIs: taking the next ones, and what has come of them.

use super::{
    Result, column, execute, first, one,
    plan::{from_postgres, to_postgres},
    rows, statement,
};
use pgrx::{
    Uuid,
    datum::TimestampWithTimeZone,
    spi::{self, SpiHeapTupleData},
};
use sequin_domain::{failure::FailureClass, timestamp::Timestamp};
use sequin_provider::write::{Change, Stored};
use std::borrow::Cow;

/// A change that has been handed over to be sent.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// Its place in the order in which changes are made.
    pub no: i64,
    pub id: Uuid,
    pub collection_id: String,
    pub action: String,
    pub upstream_id: Option<String>,
    /// A JSON object.
    pub data: Option<String>,
    pub key: String,
    /// When the API may have received it first; `None`: it surely has not.
    pub sent_at: Option<Timestamp>,
    pub attempts: u32,
    /// The object that a new one is to be beneath.
    pub parent_id: Option<String>,
    /// The API has done it, and what the object is now has yet to be read.
    pub is_made: bool,
    pub stored: Stored,
}

/// Which of the syncs have something to be sent, or that waits for nothing any more. Takes no transaction id.
pub fn waiting(syncs: Vec<Uuid>) -> Result<Vec<Uuid>> {
    rows(statement!("mutations/waiting"), &[syncs.into()], |row| column(row, 1))
}

/// The active syncs with any mutations.
pub fn syncs() -> Result<Vec<Uuid>> {
    rows(statement!("mutations/syncs"), &[], |row| column(row, 1))
}

/// Those of a sync that were handed over, and whose answers nobody may be waiting for.
pub fn left_over(sync_id: Uuid) -> Result<Vec<Mutation>> {
    rows(statement!("mutations/left_over"), &[sync_id.into()], |row| mutation(row, 1))
}

/// What was taken.
pub struct Taken {
    /// In their order.
    pub mutations: Vec<Mutation>,
    /// How many were looked at: those too that others of their record come before.
    pub seen: usize,
}

/// Hands over the next mutations of a sync; looks at no more than `limit`.
pub fn take(sync_id: Uuid, limit: i64) -> Result<Taken> {
    let arguments = [sync_id.into(), limit.into()];
    super::all(statement!("mutations/take", "mutations/hand_over"), &arguments, place).map(Taken::of)
}

/// Hands over more of the kind of `like`, which have never been sent: at most `limit` of those that come within `near` behind
/// it, with at most `size` bytes of data.
pub fn take_alike(sync_id: Uuid, like: &Mutation, near: i64, limit: i64, size: i64) -> Result<Taken> {
    let arguments = [
        sync_id.into(),
        limit.into(),
        like.collection_id.as_str().into(),
        like.action.as_str().into(),
        like.no.saturating_add(near).into(),
        size.into(),
    ];
    super::all(statement!("mutations/take_alike", "mutations/hand_over"), &arguments, place).map(Taken::of)
}

/// One that was looked at; `None` where another of its record comes first.
fn place(row: &SpiHeapTupleData<'_>) -> spi::Result<Option<Mutation>> {
    if column(row, 1)? { Ok(None) } else { mutation(row, 2).map(Some) }
}

impl Taken {
    fn of(rows: Vec<Option<Mutation>>) -> Self {
        let seen = rows.len();
        let mut mutations: Vec<Mutation> = rows.into_iter().flatten().collect();
        mutations.sort_unstable_by_key(|mutation| mutation.no);
        Self { mutations, seen }
    }
}

/// What the stream has of the object that a change is about, in so far as the change needs it. Takes no transaction id.
pub fn stored(stream_id: Uuid, sync_id: Uuid, change: &Change) -> Result<Stored> {
    let needs = change.needs();
    let read = |collection_id: &str, upstream_id: &str| -> Result<Option<(Option<String>, String)>> {
        let arguments = [stream_id.into(), sync_id.into(), collection_id.into(), upstream_id.into()];
        let found = rows(statement!("mutations/stored"), &arguments, |row| {
            Ok((row.get::<String>(1)?, column::<String>(row, 2)?))
        })?;
        Ok(found.into_iter().next())
    };
    let object = match change.upstream_id.as_deref().filter(|_| needs.object) {
        Some(upstream_id) => read(change.collection.id().as_str(), upstream_id)?,
        None => None,
    };
    let (parent_id, object) = object.map_or((None, None), |(parent_id, object)| (parent_id, Some(object)));
    let above = parent_id.clone().or_else(|| change.parent().map(Cow::into_owned)).filter(|_| needs.parent);
    let parent = match change.collection.parent_collection().zip(above) {
        Some((collection, parent_id)) => read(collection.id().as_str(), &parent_id)?,
        None => None,
    };
    Ok(Stored { parent_id, object, parent: parent.map(|(_, parent)| parent) })
}

fn mutation(row: &SpiHeapTupleData<'_>, from: usize) -> spi::Result<Mutation> {
    Ok(Mutation {
        no: column(row, from)?,
        id: column(row, from + 1)?,
        collection_id: column(row, from + 2)?,
        action: column(row, from + 3)?,
        upstream_id: row.get(from + 4)?,
        data: row.get(from + 5)?,
        key: column(row, from + 6)?,
        sent_at: row.get::<TimestampWithTimeZone>(from + 7)?.map(from_postgres),
        attempts: column::<i32>(row, from + 8)?.unsigned_abs(),
        parent_id: row.get(from + 9)?,
        is_made: column(row, from + 10)?,
        stored: Stored::default(),
    })
}

/// Lets those go that stood in line behind what has ended. False where somebody keeps one from being let go for now.
pub fn let_go(sync_id: Uuid) -> Result<bool> {
    let ended = rows(statement!("mutations/has_ended"), &[sync_id.into()], |row| column::<bool>(row, 1))?;
    if !ended.contains(&true) {
        return Ok(true);
    }
    let left = one(statement!("mutations/let_go"), &[sync_id.into()], |row| first::<i64>(row, 1))?;
    Ok(left.unwrap_or(0) == 0)
}

/// When one that has failed is to be sent again, where any is.
pub fn next_retry(sync_id: Uuid) -> Result<Option<Timestamp>> {
    let next = rows(statement!("mutations/next_retry"), &[sync_id.into()], |row| row.get(1))?;
    Ok(next.into_iter().next().flatten().map(from_postgres))
}

/// What has come of a mutation.
#[derive(Debug, Clone)]
pub enum Settled {
    /// `upstream_id`: of the object that the API has answered with.
    Done {
        upstream_id: String,
    },
    /// It is sent again; `was_nothing`: the API has surely never received it.
    Again {
        retry_at: Timestamp,
        was_nothing: bool,
    },
    /// It was done, and what has become of the object is read again.
    Made {
        upstream_id: String,
        retry_at: Timestamp,
    },
    Failed,
    Uncertain,
}

/// What is known of a failure.
#[derive(Debug, Clone)]
pub struct Words {
    pub class: FailureClass,
    pub message: String,
    pub code: Option<String>,
    pub status: Option<u16>,
    /// As JSON.
    pub response: Option<String>,
}

pub fn settle(id: Uuid, stream_id: Uuid, settled: &Settled, words: Option<&Words>) -> Result<()> {
    let state = match settled {
        Settled::Done { .. } => "done",
        Settled::Again { .. } | Settled::Made { .. } => "pending",
        Settled::Failed => "failed",
        Settled::Uncertain => "uncertain",
    };
    let upstream_id = match settled {
        Settled::Done { upstream_id } | Settled::Made { upstream_id, .. } => Some(upstream_id.as_str()),
        _ => None,
    };
    let (retry_at, was_nothing) = match settled {
        Settled::Again { retry_at, was_nothing } => (to_postgres(*retry_at), *was_nothing),
        Settled::Made { retry_at, .. } => (to_postgres(*retry_at), false),
        _ => (None, false),
    };
    let arguments = [
        id.into(),
        stream_id.into(),
        state.into(),
        upstream_id.into(),
        retry_at.into(),
        was_nothing.into(),
        words.map(|words| words.message.as_str()).into(),
        words.map(|words| words.class.as_str()).into(),
        words.and_then(|words| words.code.as_deref()).into(),
        words.and_then(|words| words.status).map(i32::from).into(),
        words.and_then(|words| words.response.as_deref()).into(),
        matches!(settled, Settled::Made { .. }).into(),
    ];
    execute(statement!("mutations/settle"), &arguments).map(drop)
}

/// When the oldest of those that are finished was. Takes no transaction id.
pub fn oldest(sync_id: Uuid) -> Result<Option<Timestamp>> {
    let found = rows(statement!("mutations/oldest"), &[sync_id.into()], |row| column(row, 1))?;
    Ok(found.into_iter().next().map(from_postgres))
}

/// Removes the oldest of those that were finished before then, at most `limit`; how many.
pub fn forget(sync_id: Uuid, before: Timestamp, limit: i64) -> Result<usize> {
    let arguments = [sync_id.into(), to_postgres(before).into(), limit.into()];
    execute(statement!("mutations/forget"), &arguments)
}

/// Whether the current role may have changes made through the sync of the mutation.
pub fn is_granted(id: Uuid) -> Result<bool> {
    rows(statement!("mutations/granted"), &[id.into()], |row| column::<Uuid>(row, 1))
        .map(|found| !found.is_empty())
}

/// False where it is not pending.
pub fn cancel(id: Uuid) -> Result<bool> {
    execute(statement!("mutations/cancel"), &[id.into()]).map(|changed| changed > 0)
}

/// False where it is neither uncertain nor failed.
pub fn dismiss(id: Uuid) -> Result<bool> {
    execute(statement!("mutations/dismiss"), &[id.into()]).map(|changed| changed > 0)
}

/// False where it is neither uncertain nor failed.
pub fn retry(id: Uuid) -> Result<bool> {
    execute(statement!("mutations/retry"), &[id.into()]).map(|changed| changed > 0)
}

pub fn state(id: Uuid) -> Result<Option<String>> {
    let found = rows(statement!("mutations/state"), &[id.into()], |row| column(row, 1))?;
    Ok(found.into_iter().next())
}
