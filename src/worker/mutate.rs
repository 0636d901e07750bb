//! Having changes made at an API, in the order of each record and side by side otherwise.
//!
//! That a change is handed over is committed before it is sent. Its answer is applied to the stream in the transaction
//! that completes it. What was handed over and has no answer, as after a crash, is sent again where that does no harm, and
//! is uncertain otherwise.

use super::{
    job::{Ask, Batch, Done, Orders, Retry, Tag, Then, Work, jitter},
    plan::SyncContext,
    request::{Answered, Question, Reply},
};
use crate::store::mutations::{Mutation, Settled, Words};
use pgrx::Uuid;
use sequin_domain::{
    failure::{Failure, FailureClass},
    mutation::{Action, Effect, Repetition, Verdict},
    rate_limit::RateLimit,
    timestamp::Timestamp,
};
use sequin_net::Priority;
use sequin_provider::{
    record::{Record, Rejected},
    write::{Change, Refusal},
};
use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

/// How many changes of a sync are under way at most.
const MOST: u32 = 32;
/// When to look again for what somebody else has locked, and the shortest time between two steps of forgetting.
const BREATH: Duration = Duration::from_millis(100);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// When a change is tried again that the provider's declaration no longer has.
const UNDECLARED_PAUSE: Duration = Duration::from_secs(300);

pub struct Mutate {
    sync: Rc<SyncContext>,
    window: usize,
    /// Whether what an earlier job has left behind has been dealt with.
    has_recovered: bool,
    /// There may be more to take.
    is_hungry: bool,
    is_taking: bool,
    /// Handed over, and not asked for yet.
    ready: VecDeque<Flight>,
    open: HashMap<Uuid, Flight>,
    /// How many outcomes are about to be stored.
    settling: usize,
    retry: Retry,
    /// When there is something to take again, beside what is new.
    take_at: Option<Instant>,
    forget_at: Option<Instant>,
    is_forgetting: bool,
    /// It comes to its end as soon as nothing is under way any more.
    is_winding_up: bool,
}

/// A change under way.
struct Flight {
    mutation: Mutation,
    change: Change,
    /// The object of an answer that may be an old one, given again: what it is now is asked for.
    shown: Option<String>,
}

impl Mutate {
    pub fn new(sync: Rc<SyncContext>) -> Self {
        Self {
            window: window(&sync.budget),
            sync,
            has_recovered: false,
            is_hungry: true,
            is_taking: false,
            ready: VecDeque::new(),
            open: HashMap::new(),
            settling: 0,
            retry: Retry::default(),
            take_at: None,
            forget_at: Some(Instant::now()),
            is_forgetting: false,
            is_winding_up: false,
        }
    }

    pub fn sync(&self) -> &Rc<SyncContext> {
        &self.sync
    }

    /// There are new ones.
    pub fn look(&mut self) {
        self.is_hungry = true;
    }

    pub fn asks(&self) -> bool {
        !self.is_winding_up
    }

    /// Takes no more; what is under way comes to its end first, as an answer must not be lost. True where anything is.
    pub fn wind_up(&mut self) -> bool {
        self.is_winding_up = true;
        self.is_busy()
    }

    pub fn is_busy(&self) -> bool {
        self.settling > 0 || !self.open.is_empty() || !self.ready.is_empty()
    }

    pub fn drive(&mut self, now: Instant, orders: &mut Orders) {
        if self.is_winding_up {
            while let Some(flight) = self.ready.pop_front() {
                self.settle(&flight, again(&flight, Duration::ZERO, Effect::None), None, None, orders);
            }
            return;
        }
        if let Some(until) = self.retry.waits_until(now) {
            orders.wake_at(until);
            return;
        }
        while let Some(flight) = self.ready.pop_front() {
            self.ask(flight, orders);
        }
        self.take(now, orders);
        match self.forget_at.filter(|_| !self.is_forgetting) {
            Some(at) if at <= now => {
                self.is_forgetting = true;
                orders.work(Then::ForgetMutations);
            }
            Some(at) => orders.wake_at(at),
            None => {}
        }
    }

    fn take(&mut self, now: Instant, orders: &mut Orders) {
        match self.take_at {
            Some(at) if at <= now => {
                self.take_at = None;
                self.is_hungry = true;
            }
            Some(at) => orders.wake_at(at),
            None => {}
        }
        let room = self.window.saturating_sub(self.open.len() + self.settling);
        if self.is_hungry && !self.is_taking && room > 0 {
            self.is_hungry = false;
            self.is_taking = true;
            orders.work(Then::TakeMutations { limit: room, recovers: !self.has_recovered });
        }
    }

    fn ask(&mut self, flight: Flight, orders: &mut Orders) {
        let Flight { mutation, change, shown } = &flight;
        let (question, shows) = match shown {
            None => (Question::Write(Box::new(change.clone())), None),
            Some(upstream_id) => {
                let question = self.sync.object(&change.collection, upstream_id);
                (question, Some(mutation.collection_id.clone()))
            }
        };
        orders.asks.push(Ask {
            tag: Tag::Mutation(mutation.id),
            question,
            priority: Priority::Mutation,
            shows,
        });
        self.open.insert(mutation.id, flight);
    }

    /// The question is to be asked again.
    pub fn give_back(&mut self, tag: &Tag) {
        if let Tag::Mutation(id) = tag
            && let Some(flight) = self.open.remove(id)
        {
            self.ready.push_back(flight);
        }
    }

    pub fn answered(&mut self, tag: &Tag, answered: Answered, orders: &mut Orders) {
        let Tag::Mutation(id) = tag else { return };
        let Some(mut flight) = self.open.remove(id) else { return };
        let Answered { sent_at, has_arrived, refusal, result, .. } = answered;
        let failure = match result {
            Ok(Reply::Written { object, received_at }) => {
                let first = flight.mutation.sent_at;
                match &object {
                    // It was sent before: this can be what the API answered then.
                    Ok(Record { upstream_id, deleted: false, .. })
                        if first.is_some() && flight.change.collection.is_retrievable() =>
                    {
                        flight.shown = Some(upstream_id.clone());
                        self.ready.push_back(flight);
                    }
                    Ok(Record { deleted: false, .. }) | Err(_) => {
                        // What the API has said in answer to a change is so from when it arrives on: a list that was
                        // asked for while it was under way may show what was before.
                        let observed_at = first.map_or(received_at, SystemTime::from);
                        self.done(&flight, object, observed_at, orders);
                    }
                    Ok(_) => self.done(&flight, object, received_at, orders),
                }
                return;
            }
            Ok(Reply::Object(object)) => return self.done(&flight, object, sent_at, orders),
            Ok(_) => Failure::new(FailureClass::Unknown, "the answer is to another question"),
            Err(failure) => failure,
        };
        self.failed(&flight, &failure, has_arrived, refusal.as_deref(), orders);
    }

    fn done(
        &mut self,
        flight: &Flight,
        object: Result<Record, Rejected>,
        observed_at: SystemTime,
        orders: &mut Orders,
    ) {
        self.retry.succeeded();
        let (records, rejected) = match object {
            Ok(record) => (vec![record], Vec::new()),
            Err(rejected) => (Vec::new(), vec![rejected]),
        };
        let shown = records.first().map(|record| &record.upstream_id);
        let shown = shown.or_else(|| rejected.first()?.upstream_id.as_ref());
        let upstream_id = shown.or(flight.mutation.upstream_id.as_ref()).cloned().unwrap_or_default();
        let place = self.sync.place(&flight.change.collection);
        let batch = Batch { place, observed_at, records, rejected };
        self.settle(flight, Settled::Done { upstream_id }, None, Some(batch), orders);
    }

    fn failed(
        &mut self,
        flight: &Flight,
        failure: &Failure,
        has_arrived: bool,
        refusal: Option<&Refusal>,
        orders: &mut Orders,
    ) {
        let effect = match flight.shown {
            // It may have been done before the permission was taken away.
            None if failure.class == FailureClass::Permission && flight.mutation.sent_at.is_some() => {
                Effect::Unknown
            }
            None => Effect::of(failure.class, has_arrived, refusal.is_some()),
            // It was done, and only what the object is now is not known.
            Some(_) => Effect::Unknown,
        };
        let hold = if effect == Effect::Refused {
            self.retry.succeeded();
            Duration::ZERO
        } else {
            let hold = self.retry.failed(failure);
            orders.wake_at(Instant::now() + hold);
            hold
        };
        let repetition = flight.change.repetition(age(&flight.mutation));
        let settled = match effect.verdict(repetition) {
            Verdict::Again => {
                let delay = failure.delay(flight.mutation.attempts.max(1), jitter());
                again(flight, delay.max(hold), effect)
            }
            Verdict::Failed => Settled::Failed,
            Verdict::Uncertain => Settled::Uncertain,
        };
        let words = words(failure, refusal);
        self.settle(flight, settled, Some(words), None, orders);
    }

    fn settle(
        &mut self,
        flight: &Flight,
        settled: Settled,
        words: Option<Words>,
        batch: Option<Batch>,
        orders: &mut Orders,
    ) {
        self.settling += 1;
        let then = Then::SettleMutation { id: flight.mutation.id, settled, words };
        orders.works.push(Work { batch, recovered: None, then });
    }

    /// Takes what came of the work; true where the job has come to its end.
    pub fn done_with(&mut self, then: &Then, done: Done, orders: &mut Orders) -> bool {
        match (then, done) {
            (_, Done::Gone) => return true,
            (Then::TakeMutations { .. }, Done::Taken { mutations, has_more, next }) => {
                self.is_taking = false;
                self.has_recovered = true;
                self.is_hungry |= has_more;
                self.take_at = next.map(|next| Instant::now() + time_until(next).max(BREATH));
                for mutation in mutations {
                    self.begin(mutation, orders);
                }
            }
            (Then::SettleMutation { settled, .. }, _) => {
                self.settling -= 1;
                // The next of its record, or itself.
                self.is_hungry = true;
                if matches!(settled, Settled::Done { .. } | Settled::Failed) && self.forget_at.is_none() {
                    self.forget_at = Some(Instant::now());
                }
            }
            (Then::ForgetMutations, Done::Forgotten { has_more, due_in }) => {
                self.is_forgetting = false;
                let pause =
                    if has_more { Some(BREATH) } else { due_in.map(|due_in| due_in.max(SHORTEST_PAUSE)) };
                self.forget_at = pause.map(|pause| Instant::now() + pause);
            }
            _ => {}
        }
        self.is_winding_up && !self.is_busy()
    }

    /// Makes a mutation that was taken ready to be asked for.
    fn begin(&mut self, mutation: Mutation, orders: &mut Orders) {
        match change(&self.sync, &mutation) {
            Some(change) => {
                let was_sent = mutation.sent_at.is_some();
                let flight = Flight { mutation, change, shown: None };
                let age = age(&flight.mutation);
                if was_sent && flight.change.repetition(age) == Repetition::Harmful {
                    let words =
                        unknown_outcome("it was sent before, and is too old to be sent again under its key");
                    self.settle(&flight, Settled::Uncertain, Some(words), None, orders);
                } else {
                    self.ready.push_back(flight);
                }
            }
            None => {
                self.settling += 1;
                let retry_at = Timestamp::from(SystemTime::now() + UNDECLARED_PAUSE);
                let settled = Settled::Again { retry_at, was_nothing: mutation.sent_at.is_none() };
                let problem = format!("the provider no longer has {} for this collection", mutation.action);
                let words = words(&Failure::new(FailureClass::BadRequest, problem), None);
                orders.work(Then::SettleMutation { id: mutation.id, settled, words: Some(words) });
            }
        }
    }
}

/// What becomes of a mutation that was handed over to a job that is no more.
pub fn lost(sync: &SyncContext, mutation: &Mutation) -> (Settled, Words) {
    let repetition =
        change(sync, mutation).map_or(Repetition::Harmful, |change| change.repetition(age(mutation)));
    match repetition {
        Repetition::Harmless => {
            let retry_at = Timestamp::from(SystemTime::now());
            let words = unknown_outcome("it was sent, and is sent again, as its answer was lost");
            (Settled::Again { retry_at, was_nothing: false }, words)
        }
        Repetition::Harmful => {
            (Settled::Uncertain, unknown_outcome("the worker stopped after it may have been sent"))
        }
    }
}

fn unknown_outcome(problem: &str) -> Words {
    words(&Failure::new(FailureClass::Transient, problem), None)
}

/// The change that a mutation asks for; `None` where the provider does not declare it.
fn change(sync: &SyncContext, mutation: &Mutation) -> Option<Change> {
    let collection = sync.collection(&mutation.collection_id)?;
    let action = Action::parse(&mutation.action)?;
    collection.writes.of(action)?;
    let Mutation { upstream_id, data, key, .. } = mutation.clone();
    Some(Change { collection, action, upstream_id, data, key })
}

/// How long ago the API may have received it first.
fn age(mutation: &Mutation) -> Duration {
    let sent_at = mutation.sent_at.map(SystemTime::from);
    sent_at.and_then(|sent_at| SystemTime::now().duration_since(sent_at).ok()).unwrap_or_default()
}

fn again(flight: &Flight, after: Duration, effect: Effect) -> Settled {
    let was_nothing = effect == Effect::None && flight.shown.is_none() && flight.mutation.sent_at.is_none();
    Settled::Again { retry_at: Timestamp::from(SystemTime::now() + after), was_nothing }
}

fn words(failure: &Failure, refusal: Option<&Refusal>) -> Words {
    Words {
        class: failure.class,
        message: failure.message.clone(),
        code: refusal.and_then(|refusal| refusal.code.clone()),
        status: refusal.map(|refusal| refusal.status),
        response: refusal.and_then(Refusal::json),
    }
}

fn time_until(time: Timestamp) -> Duration {
    SystemTime::from(time).duration_since(SystemTime::now()).unwrap_or_default()
}

/// How many changes may be handed over: what can be sent within a second or so, as what is handed over and not sent counts
/// as sent after a crash.
fn window(budget: &RateLimit) -> usize {
    let per_second = f64::from(budget.allowed_requests.get()) / budget.interval;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 1 to a small number"
    )]
    let most = per_second.ceil().clamp(1.0, f64::from(MOST)) as usize;
    most.min(budget.max_concurrent_requests.get())
}
