//! Doing in the database what jobs have ordered: many orders in one transaction where all goes well, one by one where not.

use super::{
    flight,
    job::{Batch, Done, Settlement, Then, Work},
    plan::SyncContext,
};
use crate::{
    error::Result,
    pg::transaction::{SqlError, subtransaction, transaction},
    settings::Settings,
    store::{
        self,
        mutations::{Mutation, Words},
    },
};
use pgrx::{JsonB, Uuid, prelude::*};
use sequin_domain::{
    failure::{Failure, FailureClass},
    guard::Deletions,
    timestamp::Timestamp,
};
use sequin_provider::record::{Record, Rejected};
use std::{
    collections::HashSet,
    rc::Rc,
    time::{Duration, SystemTime},
};

/// How many objects that a sweep has missed are looked at in one go.
const MISSING: i64 = 100;
/// How many objects that were set aside are fetched again in one go.
const REJECTED: i64 = 100;
/// How many records or mutations that are too old are removed in one transaction.
const EXPIRED: usize = 500;
/// How far behind the first of its kind a change may be to be sent in one request with it, in the order of all changes, and
/// how many bytes of data such a request is filled up with.
const NEAR: i64 = 10_000;
const LARGEST: i64 = 1024 * 1024;

/// Does all of `works`, and gives what came of each.
///
/// Fails only where the database can't do it now, whatever the data: then nothing of it is done.
pub fn perform(
    works: &[(Rc<SyncContext>, &Work)],
    settings: &Settings,
) -> std::result::Result<Vec<Done>, SqlError> {
    let together =
        transaction(|| works.iter().map(|(sync, work)| one(sync, work, settings, Care::None)).collect());
    match together {
        Err(problem) if problem.blames_data() => works
            .iter()
            .map(|(sync, work)| transaction(|| one(sync, work, settings, Care::EachRecord)))
            .collect(),
        other => other,
    }
}

/// Writes down, for all to see, that the database could not store what came for these collections.
pub fn record_failure(
    works: &[(Rc<SyncContext>, &Work)],
    problem: &SqlError,
) -> std::result::Result<(), SqlError> {
    let failure = Failure::new(FailureClass::Unknown, format!("PostgreSQL could not store it: {problem}"));
    let now = Timestamp::from(SystemTime::now());
    transaction(|| {
        let mut told = HashSet::new();
        for place in works.iter().filter_map(|(_, work)| work.batch.as_ref().map(|batch| &batch.place)) {
            if told.insert((place.sync_id, &place.collection_id)) {
                store::progress::fail_collection(place.sync_id, &place.collection_id, &failure, now)?;
            }
        }
        Ok(())
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    None,
    /// A record that can't be stored is set aside, and the others go on.
    EachRecord,
}

fn one(sync: &SyncContext, work: &Work, settings: &Settings, care: Care) -> Result<Done> {
    let mut counts = Counts::default();
    if let Some(batch) = &work.batch {
        match store_batch(batch, care)? {
            Some(stored) => counts = stored,
            None => return Ok(Done::Gone),
        }
    }
    if let Some(collection_id) = &work.recovered {
        store::progress::recover_collection(sync.id, collection_id)?;
    }
    follow(sync, work, &counts, settings)
}

/// What became of a batch.
#[derive(Default)]
struct Counts {
    records: i64,
    changes: i64,
    rejected: i64,
}

/// `None` where the sync is gone.
fn store_batch(batch: &Batch, care: Care) -> Result<Option<Counts>> {
    let Batch { place, observed_at, records, rejected } = batch;
    let mut counts = Counts { records: count(records.len()), changes: 0, rejected: count(rejected.len()) };
    let apply = |records: &[&Record]| {
        let ids = records.iter().map(|_| store::new_id()).collect();
        store::pages::apply(place, Timestamp::from(*observed_at), records, ids)
    };
    let all: Vec<&Record> = records.iter().collect();
    match care {
        Care::None if all.is_empty() => {}
        Care::None => match apply(&all)? {
            Some(changes) => counts.changes = changes,
            None => return Ok(None),
        },
        Care::EachRecord => {
            for record in all {
                match subtransaction(|| apply(&[record])) {
                    Ok(Some(changes)) => counts.changes += changes,
                    Ok(None) => return Ok(None),
                    Err(problem) if problem.blames_data() => {
                        counts.rejected += 1;
                        store::pages::reject(place, &set_aside(record, &problem))?;
                    }
                    Err(problem) => return Err(crate::error::error(problem.code, problem.message)),
                }
            }
        }
    }
    for rejected in rejected {
        store::pages::reject(place, rejected)?;
    }
    Ok(Some(counts))
}

fn set_aside(record: &Record, problem: &SqlError) -> Rejected {
    Rejected {
        upstream_id: Some(record.upstream_id.clone()),
        raw: record.data.clone().unwrap_or_default().into_bytes(),
        reason: format!("PostgreSQL can't store it: {problem}"),
    }
}

fn follow(sync: &SyncContext, work: &Work, counts: &Counts, settings: &Settings) -> Result<Done> {
    use store::progress;
    let observed_at = work.batch.as_ref().map_or_else(SystemTime::now, |batch| batch.observed_at).into();
    match &work.then {
        Then::Nothing | Then::Fetched { .. } | Then::Looked { .. } => {}
        Then::Advance { backfill, range, cut, noted } => {
            let Counts { records, changes, rejected } = *counts;
            let step = progress::Step { range, records, changes, rejected, observed_at };
            if !progress::advance_backfill(*backfill, &step)? {
                return Ok(Done::Gone);
            }
            if let Some(piece) = cut {
                progress::cut_range(*backfill, *piece)?;
            }
            if let Some((noted, batch)) = noted.as_ref().zip(work.batch.as_ref()) {
                progress::note_seen(*backfill, ids_of(batch), noted)?;
            }
        }
        Then::Complete { backfill } => progress::complete_backfill(*backfill)?,
        Then::Compare { backfill } => {
            count_deletions(*backfill, work, counts)?;
            let progress::Comparison { total, missing, missing_ids, began, has_seen, confirmed } =
                progress::compare(*backfill, MISSING)?;
            let deletions = Deletions {
                stored: total.unsigned_abs(),
                missing: missing.unsigned_abs(),
                has_shown: has_seen,
                confirmed: confirmed.unsigned_abs(),
            };
            if deletions.are_suspicious(settings.delete_guard) {
                progress::hold_back(*backfill, missing, total)?;
                return Ok(Done::Guarded);
            }
            return Ok(Done::Missing { upstream_ids: missing_ids, observed_at: began.into() });
        }
        Then::LookAgain { backfill, range } => progress::cut_range(*backfill, *range)?,
        Then::Noted { backfill, upstream_id } => {
            count_deletions(*backfill, work, counts)?;
            progress::note_seen(*backfill, vec![upstream_id.clone()], &progress::Noted::nothing())?;
        }
        Then::NoteUnread { collection_id, unread, is_whole, is_cut, looks } => {
            let is_readable_again =
                progress::note_unread(sync.id, collection_id, unread, *is_whole, *is_cut)?;
            if is_readable_again && *looks {
                // What has changed there meanwhile, no look goes back to.
                progress::start_sweep(store::new_id(), sync.id, collection_id)?;
            }
        }
        Then::Polled { newest, began, is_news } => {
            let is_news = *is_news && (newest.is_some() || began.is_some());
            if let Some(batch) = work.batch.as_ref().filter(|_| is_news) {
                let collection_id = &batch.place.collection_id;
                progress::move_cursor(sync.id, collection_id, *newest, began.map(Timestamp::from))?;
            }
        }
        Then::Bury { tombstones, is_final } => {
            let Some(batch) = &work.batch else { return Ok(Done::Well) };
            let mut upstream_ids = progress::still_live(sync.id, &batch.place.collection_id, tombstones)?;
            if *is_final && !upstream_ids.is_empty() {
                let gone: Vec<Record> = upstream_ids.drain(..).map(|id| Record::gone(&id)).collect();
                let ids = gone.iter().map(|_| store::new_id()).collect();
                store::pages::apply(&batch.place, observed_at, &gone.iter().collect::<Vec<_>>(), ids)?;
            }
            return Ok(Done::Missing { upstream_ids, observed_at: batch.observed_at });
        }
        Then::DeletesPolled { collection_id, newest, began, is_news } => {
            if *is_news {
                progress::move_deletes_cursor(sync.id, collection_id, *newest, (*began).into())?;
            }
        }
        Then::StartSweep { collection_id } => progress::start_sweep(store::new_id(), sync.id, collection_id)?,
        Then::Log { collection_id, event, detail } => {
            store::history::write(sync.id, Some(collection_id.as_str()), event, JsonB(detail.clone()))?;
        }
        Then::MoveFeed { feed, cursor, polled_at, .. } => {
            progress::move_feed(sync.id, feed, *cursor, (*polled_at).into())?;
        }
        Then::CompareChildren { key, parent_id, seen, is_parent_gone, observed_at } => {
            if let Some(collection) = sync.collection(key.collection_id()) {
                let mut upstream_ids =
                    store::pages::missing_children(&sync.place(&collection), parent_id, seen.clone())?;
                let (seen, missing) = (seen.len() as u64, upstream_ids.len() as u64);
                let deletions =
                    Deletions { stored: seen + missing, missing, has_shown: seen > 0, confirmed: 0 };
                if !is_parent_gone && deletions.are_suspicious(settings.delete_guard) {
                    // A second look, at the whole collection, has to find the same.
                    progress::start_sweep(store::new_id(), sync.id, key.collection_id())?;
                    upstream_ids.clear();
                }
                return Ok(Done::Missing { upstream_ids, observed_at: *observed_at });
            }
        }
        Then::ListRejected { collection_id } => {
            let upstream_ids = store::rejected::objects(sync.id, collection_id, REJECTED)?;
            return Ok(Done::Rejected { upstream_ids });
        }
        Then::SettleRejected { collection_id, upstream_id, problem } => {
            store::rejected::settle(sync.id, collection_id, upstream_id, problem.as_deref())?;
        }
        Then::Expire { from } => return expire(sync, *from),
        Then::Described { collection_id, properties, types } => {
            let id = sync.credential_id;
            let (properties, types) = (properties.clone(), types.clone());
            if store::discovered::keep(id, collection_id, properties, types, observed_at)? {
                // What is stored lacks what is new.
                for sync_id in store::discovered::syncs(id, collection_id)? {
                    store::discovered::start_over(sync_id, collection_id)?;
                    progress::start_sweep(store::new_id(), sync_id, collection_id)?;
                }
            }
        }
        Then::TakeMutations { limit, recovers } => return take_mutations(sync, *limit, *recovers),
        Then::SettleMutations { settlements } => {
            for settlement in settlements {
                settle_mutation(sync, settlement)?;
            }
        }
        Then::ForgetMutations => return forget_mutations(sync, settings),
        Then::Gap { feed } => {
            progress::reset_feed(sync.id, feed)?;
            for collection_id in store::plan::feed_collections(sync.id, feed)? {
                progress::start_sweep(store::new_id(), sync.id, &collection_id)?;
            }
        }
        Then::FailCollection { collection_id, failure, retry_in } => {
            let retry_at = SystemTime::now() + *retry_in;
            progress::fail_collection(sync.id, collection_id, failure, retry_at.into())?;
            // A property that the objects no longer have, perhaps.
            if failure.class == FailureClass::BadRequest
                && store::discovered::doubt(sync.credential_id, collection_id)?
            {
                return Ok(Done::Doubted);
            }
        }
        Then::FailFeed { feed, failure, retry_in } => {
            let retry_at = SystemTime::now() + *retry_in;
            progress::fail_feed(sync.id, feed, failure, retry_at.into())?;
        }
        // What the API has asked for holds for the worker that comes after this one, too.
        Then::Pause { until } => progress::pause_credential(sync.credential_id, (*until).into())?,
    }
    Ok(Done::Well)
}

/// What a sweep has missed, and what was then found to be gone.
fn count_deletions(backfill: Uuid, work: &Work, counts: &Counts) -> Result<()> {
    let are_gone = work.batch.iter().flat_map(|batch| &batch.records).all(|record| record.deleted);
    if are_gone && counts.changes > 0 {
        store::progress::count_deletions(backfill, counts.changes)?;
    }
    Ok(())
}

/// Removes some of what is older than the sync keeps. Without the stream's lock where there is nothing.
fn expire(sync: &SyncContext, from: Option<Timestamp>) -> Result<Done> {
    let oldest = store::retention::oldest(sync.stream_id, sync.id, from)?;
    if oldest.is_none_or(|oldest| !oldest.is_due) {
        return Ok(Done::Expired { removed: Some(0), more: false, oldest });
    }
    let limit = i64::try_from(EXPIRED).unwrap_or(i64::MAX);
    let removed = subtransaction(|| {
        store::syncs::lock_stream(sync.stream_id)?;
        store::retention::remove(sync.stream_id, sync.id, from, limit)
    });
    match removed {
        Ok(removed) => {
            let oldest = store::retention::oldest(sync.stream_id, sync.id, from)?;
            Ok(Done::Expired { removed: Some(removed), more: removed == EXPIRED, oldest })
        }
        // A foreign key or a trigger of the user's: no reason to stop everything else.
        Err(problem) if problem.blames_data() || problem.code == PgSqlErrorCode::ERRCODE_RAISE_EXCEPTION => {
            warning!("sequin can't remove records that are older than the sync's max_age: {problem}");
            Ok(Done::Expired { removed: None, more: false, oldest })
        }
        Err(problem) => Err(crate::error::error(problem.code, problem.message)),
    }
}

/// Hands over the next changes to be made; first, what an earlier job has left behind is dealt with.
fn take_mutations(sync: &SyncContext, limit: usize, recovers: bool) -> Result<Done> {
    use store::mutations;
    if recovers {
        for mut left_over in mutations::left_over(sync.id)? {
            complete(sync, &mut left_over)?;
            let (settled, words) = flight::lost(sync, &left_over);
            mutations::settle(left_over.id, sync.stream_id, &settled, Some(&words))?;
        }
    }
    let are_free = mutations::let_go(sync.id)?;
    let mutations::Taken { mutations: mut taken, seen } = mutations::take(sync.id, count(limit))?;
    let has_more = seen >= limit;
    let mut fuller = Vec::new();
    for (first, room) in flight::unfilled(sync, &taken) {
        fuller.extend(mutations::take_alike(sync.id, first, NEAR, count(room), LARGEST)?.mutations);
    }
    taken.extend(fuller);
    for mutation in &mut taken {
        complete(sync, mutation)?;
    }
    let next = if has_more { None } else { mutations::next_retry(sync.id)? };
    let next = next.or_else(|| (!are_free).then(|| SystemTime::now().into()));
    Ok(Done::Taken { mutations: taken, has_more, next })
}

/// Reads what the stream has of the object of a mutation.
fn complete(sync: &SyncContext, mutation: &mut Mutation) -> Result<()> {
    if let Some(change) = flight::change(sync, mutation) {
        mutation.stored = store::mutations::stored(sync.stream_id, sync.id, &change)?;
    }
    Ok(())
}

fn settle_mutation(sync: &SyncContext, settlement: &Settlement) -> Result<()> {
    let Settlement { id, settled, words } = settlement;
    let settle = |words: Option<&Words>| store::mutations::settle(*id, sync.stream_id, settled, words);
    let Some(given) = words.as_ref().filter(|words| words.response.is_some()) else {
        return settle(words.as_ref());
    };
    match subtransaction(|| settle(Some(given))) {
        // JSON that jsonb can't hold.
        Err(problem) if problem.blames_data() => settle(Some(&Words { response: None, ..given.clone() })),
        Err(problem) => Err(crate::error::error(problem.code, problem.message)),
        Ok(()) => Ok(()),
    }
}

/// Removes some of the mutations that were finished too long ago.
fn forget_mutations(sync: &SyncContext, settings: &Settings) -> Result<Done> {
    use store::mutations;
    let before = Timestamp::from(SystemTime::now()).minus(settings.mutation_retention);
    let due_in = |oldest: Timestamp| {
        let micros = u64::try_from(oldest.unix_micros() - before.unix_micros()).unwrap_or(0);
        Duration::from_micros(micros)
    };
    let oldest = mutations::oldest(sync.id)?;
    if oldest.is_none_or(|oldest| oldest >= before) {
        return Ok(Done::Forgotten { has_more: false, due_in: oldest.map(due_in) });
    }
    let has_more = mutations::forget(sync.id, before, count(EXPIRED))? == EXPIRED;
    Ok(Done::Forgotten { has_more, due_in: mutations::oldest(sync.id)?.map(due_in) })
}

/// The ids that a page has shown, those of objects set aside among them.
fn ids_of(batch: &Batch) -> Vec<String> {
    let known = batch.records.iter().map(|record| record.upstream_id.clone());
    known.chain(batch.rejected.iter().filter_map(|rejected| rejected.upstream_id.clone())).collect()
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
