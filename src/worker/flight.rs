//! A change under way: what is asked of the API next, and what becomes of it where no answer is to come.

use super::{job::Settlement, plan::SyncContext, request::Question};
use crate::store::mutations::{Mutation, Settled, Words};
use sequin_domain::{
    failure::{Failure, FailureClass},
    mutation::{Action, Repetition},
    timestamp::Timestamp,
};
use sequin_provider::{
    batch_write::BatchWrite,
    listing::Page,
    position::Position,
    record::{Record, Rejected},
    refusal::Refusal,
    write::Change,
};
use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, SystemTime},
};

pub struct Flight {
    pub mutation: Mutation,
    pub change: Change,
    pub stage: Stage,
    /// The API may have received it, if only in vain.
    pub was_sent: bool,
    /// It is asked for by itself, as it was refused among others, or could be taken for the change of another object.
    pub is_alone: bool,
    /// It has been looked for, and was not made.
    pub is_missed: bool,
    /// What the API has refused it with that may have been done before.
    pub refused: Option<Words>,
}

/// What is asked next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// The change itself.
    Send,
    /// Whether it was made.
    Look,
    /// What the object is now. `judges`: that shows whether it was made.
    Read { upstream_id: String, judges: bool },
}

impl Flight {
    pub fn new(mutation: Mutation, change: Change) -> Self {
        let made = mutation.upstream_id.clone().filter(|_| mutation.is_made);
        let stage = made.map_or(Stage::Send, |upstream_id| Stage::Read { upstream_id, judges: false });
        let was_sent = mutation.sent_at.is_some();
        let is_alone = change.is_ambiguous_together();
        Self { mutation, change, stage, was_sent, is_alone, is_missed: false, refused: None }
    }

    /// What shows whether it was made.
    pub fn look(&self) -> Stage {
        match self.change.upstream_id.clone().filter(|_| self.change.is_seen_by_reading()) {
            Some(upstream_id) => Stage::Read { upstream_id, judges: true },
            None => Stage::Look,
        }
    }

    /// How many such can be asked for in one request.
    pub fn most_together(&self) -> usize {
        let batch = self.change.collection.batch.as_ref();
        match self.stage {
            Stage::Send if self.is_alone => 1,
            Stage::Send => self.change.most_together(),
            Stage::Look => 1,
            Stage::Read { .. } => batch.map_or(1, |batch| batch.size.get()),
        }
    }

    /// Whether it can be asked for in one request with the other.
    pub fn goes_with(&self, other: &Self) -> bool {
        let is_same_stage = match (&self.stage, &other.stage) {
            (Stage::Send, Stage::Send) => !self.is_alone && !other.is_alone,
            (Stage::Read { .. }, Stage::Read { .. }) => true,
            _ => false,
        };
        is_same_stage && self.change.is_alike(&other.change)
    }

    /// How many bytes are given with it.
    pub fn size(&self) -> usize {
        self.change.data.as_ref().map_or(0, String::len)
    }

    /// Whether what the question needs is known.
    pub fn is_ready(&self, sync: &SyncContext) -> bool {
        !matches!(self.stage, Stage::Read { .. }) || sync.is_described(&self.change.collection)
    }

    /// What becomes of it where nothing more is asked for now; `was_nothing`: this time nothing has been sent.
    pub fn put_off(&self, after: Duration, was_nothing: bool) -> Settled {
        let retry_at = Timestamp::from(SystemTime::now() + after);
        match &self.stage {
            Stage::Read { upstream_id, judges: false } => {
                Settled::Made { upstream_id: upstream_id.clone(), retry_at }
            }
            Stage::Send => Settled::Again { retry_at, was_nothing: was_nothing && !self.was_sent },
            Stage::Look | Stage::Read { .. } => Settled::Again { retry_at, was_nothing: false },
        }
    }
}

/// What has come of changes, to be stored together.
#[derive(Default)]
pub struct Settling {
    pub settlements: Vec<Settlement>,
    pub records: Vec<Record>,
    pub rejected: Vec<Rejected>,
}

impl Settling {
    pub fn settle(&mut self, flight: &Flight, settled: Settled, words: Option<Words>) {
        self.settlements.push(Settlement { id: flight.mutation.id, settled, words });
    }

    /// It is made, and this is what the object is now.
    pub fn done(&mut self, flight: &Flight, object: Result<Record, Rejected>) {
        let shown = match &object {
            Ok(record) => Some(record.upstream_id.clone()),
            Err(rejected) => rejected.upstream_id.clone(),
        };
        let upstream_id = shown.or_else(|| flight.change.upstream_id.clone()).unwrap_or_default();
        self.settle(flight, Settled::Done { upstream_id }, None);
        match object {
            // One object can be that of several changes.
            Ok(record) if self.records.iter().any(|known| known.upstream_id == record.upstream_id) => {}
            Ok(mut record) => {
                // One that is read by its id alone need not show what it stands beneath.
                if !record.deleted && record.parent_id.is_none() {
                    record.parent_id = flight.change.parent().map(Cow::into_owned);
                }
                self.records.push(record);
            }
            Err(rejected) => self.rejected.push(rejected),
        }
    }
}

/// What is asked of the API for these, which go together, and the collection whose objects the answer will show.
pub fn question(sync: &SyncContext, flights: &[Flight]) -> Option<(Question, Option<String>)> {
    let Flight { change, stage, mutation, .. } = flights.first()?;
    let collection = change.collection.clone();
    let shows = Some(mutation.collection_id.clone());
    Some(match stage {
        Stage::Send if flights.len() > 1 || change.is_only_together() => {
            let changes = flights.iter().map(|flight| flight.change.clone()).collect();
            (Question::WriteTogether(BatchWrite { collection, changes }), None)
        }
        Stage::Send => (Question::Write(Box::new(change.clone())), None),
        Stage::Look => (Question::Look(Box::new(change.clone())), shows),
        Stage::Read { .. } if collection.batch.is_some() => {
            let listing = Arc::new(sync.whole(&collection));
            let ids: BTreeSet<&str> = flights.iter().filter_map(read_id).collect();
            let position = Position::of_objects(ids.into_iter().map(str::to_owned).collect());
            (Question::Page { listing, position, known: None }, shows)
        }
        Stage::Read { upstream_id, .. } => (sync.object(&collection, upstream_id), shows),
    })
}

/// The object that is read.
pub fn read_id(flight: &Flight) -> Option<&str> {
    match &flight.stage {
        Stage::Read { upstream_id, .. } => Some(upstream_id),
        Stage::Send | Stage::Look => None,
    }
}

/// An object that was asked for, in the answer; what that does not show is gone.
pub fn shown(page: &Page, upstream_id: &str) -> Result<Record, Rejected> {
    let set_aside =
        page.rejected.iter().find(|rejected| rejected.upstream_id.as_deref() == Some(upstream_id));
    let found = page.records.iter().find(|record| record.upstream_id == upstream_id);
    match (found, set_aside) {
        (Some(record), _) => Ok(record.clone()),
        (None, Some(rejected)) => Err(rejected.clone()),
        (None, None) => Ok(Record::gone(upstream_id)),
    }
}

/// The first of each kind of which more could go into one request, and how many more.
pub fn unfilled<'a>(sync: &SyncContext, taken: &'a [Mutation]) -> Vec<(&'a Mutation, usize)> {
    let mut kinds: HashMap<(&str, &str), (&Mutation, usize)> = HashMap::new();
    for mutation in taken.iter().filter(|mutation| mutation.sent_at.is_none()) {
        let kind = (mutation.collection_id.as_str(), mutation.action.as_str());
        kinds.entry(kind).or_insert((mutation, 0)).1 += 1;
    }
    let room = |(first, count): (&'a Mutation, usize)| {
        let most = change(sync, first)?.most_together();
        (count < most).then(|| (first, most - count))
    };
    kinds.into_values().filter_map(room).collect()
}

/// What becomes of a mutation that was handed over to a job that is no more.
pub fn lost(sync: &SyncContext, mutation: &Mutation) -> (Settled, Words) {
    let retry_at = Timestamp::from(SystemTime::now());
    if mutation.is_made {
        let words = unknown_outcome("it was done, and is read again, as the answer was lost");
        return (Settled::Again { retry_at, was_nothing: false }, words);
    }
    match change(sync, mutation).map_or(Repetition::Harmful, |change| change.repetition(age(mutation))) {
        Repetition::Harmless => {
            let words = unknown_outcome("it was sent, and is sent again, as its answer was lost");
            (Settled::Again { retry_at, was_nothing: false }, words)
        }
        Repetition::Visible => {
            let words = unknown_outcome("it was sent, and is looked for, as its answer was lost");
            (Settled::Again { retry_at, was_nothing: false }, words)
        }
        Repetition::Harmful => {
            (Settled::Uncertain, unknown_outcome("the worker stopped after it may have been sent"))
        }
    }
}

pub fn unknown_outcome(problem: &str) -> Words {
    words(&Failure::new(FailureClass::Transient, problem), None)
}

/// The change that a mutation asks for; `None` where the provider does not declare it.
pub fn change(sync: &SyncContext, mutation: &Mutation) -> Option<Change> {
    let collection = sync.collection(&mutation.collection_id)?;
    let action = Action::parse(&mutation.action)?;
    collection.writes.of(action)?;
    let Mutation { upstream_id, parent_id, data, key, stored, .. } = mutation.clone();
    Some(Change { collection, action, upstream_id, parent_id, data, key, stored })
}

/// How long ago the API may have received it first.
pub fn age(mutation: &Mutation) -> Duration {
    let sent_at = mutation.sent_at.map(SystemTime::from);
    sent_at.and_then(|sent_at| SystemTime::now().duration_since(sent_at).ok()).unwrap_or_default()
}

pub fn words(failure: &Failure, refusal: Option<&Refusal>) -> Words {
    Words {
        class: failure.class,
        message: failure.message.clone(),
        code: refusal.and_then(|refusal| refusal.code.clone()),
        status: refusal.map(|refusal| refusal.status),
        response: refusal.and_then(Refusal::json),
    }
}
