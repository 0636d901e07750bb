//! Having changes made at an API, in the order of each record and side by side otherwise.
//!
//! That a change is handed over is committed before it is sent. Its answer is applied to the stream in the transaction
//! that completes it. What was handed over and has no answer, as after a crash, is looked for where the API can show it, or
//! sent again where that does no harm, and is uncertain otherwise.

mod answers;

use super::{
    flight::{self, Flight, Settling, Stage, unknown_outcome, words},
    job::{Ask, Batch, Done, Orders, Retry, Settlement, Tag, Then, Work, jitter},
    plan::SyncContext,
};
use crate::store::mutations::{Mutation, Settled};
use pgrx::Uuid;
use sequin_domain::{
    failure::{Failure, FailureClass},
    mutation::Repetition,
    rate_limit::RateLimit,
    timestamp::Timestamp,
};
use sequin_net::Priority;
use sequin_provider::declaration::CollectionRef;
use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

/// How many requests for changes of a sync are under way at most.
const MOST: u32 = 32;
/// How many bytes are given in one request for several.
const LARGEST: usize = 1024 * 1024;
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
    /// Those of each request, by the first of them.
    open: HashMap<Uuid, Vec<Flight>>,
    /// How many answers are about to be stored.
    settling: usize,
    retry: Retry,
    /// When there is something to take again, beside what is new.
    take_at: Option<Instant>,
    forget_at: Option<Instant>,
    is_forgetting: bool,
    /// It comes to its end as soon as nothing is under way any more.
    is_winding_up: bool,
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
            let mut settling = Settling::default();
            while let Some(flight) = self.ready.pop_front() {
                let words = flight.was_sent.then(|| unknown_outcome("it was put off before it was answered"));
                settling.settle(&flight, flight.put_off(Duration::ZERO, true), words);
            }
            self.store(settling, None, orders);
            return;
        }
        if let Some(until) = self.retry.waits_until(now) {
            orders.wake_at(until);
            return;
        }
        self.ask_all(orders);
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
        let room = self.window.saturating_sub(self.open.len() + self.settling + self.ready.len());
        if self.is_hungry && !self.is_taking && room > 0 {
            self.is_hungry = false;
            self.is_taking = true;
            orders.work(Then::TakeMutations { limit: room, recovers: !self.has_recovered });
        }
    }

    /// Asks for all that is ready, several in one request where they go together.
    fn ask_all(&mut self, orders: &mut Orders) {
        let mut settling = Settling::default();
        while let Some(flight) = self.ready.pop_front() {
            if !flight.is_ready(&self.sync) {
                // It may take long, and others are not to wait for it.
                let failure =
                    Failure::new(FailureClass::Transient, "it is not known yet what its objects have");
                let delay = failure.delay(flight.mutation.attempts.max(1), jitter());
                settling.settle(&flight, flight.put_off(delay, false), Some(words(&failure, None)));
                continue;
            }
            let most = flight.most_together();
            let mut size = flight.size();
            let mut together = vec![flight];
            let mut others = VecDeque::new();
            for other in self.ready.drain(..) {
                let fits = together.len() < most
                    && other.goes_with(&together[0])
                    && size.saturating_add(other.size()) <= LARGEST;
                if fits {
                    size += other.size();
                    together.push(other);
                } else {
                    others.push_back(other);
                }
            }
            self.ready = others;
            self.ask(together, orders);
        }
        self.store(settling, None, orders);
    }

    fn ask(&mut self, flights: Vec<Flight>, orders: &mut Orders) {
        let Some((question, shows)) = flight::question(&self.sync, &flights) else { return };
        let Some(id) = flights.first().map(|flight| flight.mutation.id) else { return };
        orders.asks.push(Ask { tag: Tag::Mutation(id), question, priority: Priority::Mutation, shows });
        self.open.insert(id, flights);
    }

    /// The question is to be asked again.
    pub fn give_back(&mut self, tag: &Tag) {
        if let Tag::Mutation(id) = tag
            && let Some(flights) = self.open.remove(id)
        {
            self.ready.extend(flights);
        }
    }

    /// Has stored what has come of changes; `observed`: of which collection, and as of when.
    fn store(
        &mut self,
        settling: Settling,
        observed: Option<(&CollectionRef, SystemTime)>,
        orders: &mut Orders,
    ) {
        let Settling { settlements, records, rejected } = settling;
        if settlements.is_empty() {
            return;
        }
        self.settling += 1;
        let batch = observed.filter(|_| !records.is_empty() || !rejected.is_empty());
        let batch = batch.map(|(collection, observed_at)| Batch {
            place: self.sync.place(collection),
            observed_at,
            records,
            rejected,
        });
        orders.works.push(Work { batch, recovered: None, then: Then::SettleMutations { settlements } });
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
            (Then::SettleMutations { settlements }, _) => {
                self.settling -= 1;
                // The next of its record, or itself.
                self.is_hungry = true;
                let has_ended = |settlement: &Settlement| {
                    matches!(settlement.settled, Settled::Done { .. } | Settled::Failed)
                };
                if settlements.iter().any(has_ended) && self.forget_at.is_none() {
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
        let mut settling = Settling::default();
        match flight::change(&self.sync, &mutation) {
            Some(change) => {
                let mut flight = Flight::new(mutation, change);
                let is_repetition = flight.stage == Stage::Send && flight.was_sent;
                // What its path needs can have gone from the stream.
                let unwritable = if flight.stage == Stage::Send { flight.change.check().err() } else { None };
                match flight.change.repetition(flight::age(&flight.mutation)) {
                    Repetition::Visible if is_repetition => {
                        flight.stage = flight.look();
                        self.ready.push_back(flight);
                    }
                    _ if unwritable.is_some() => {
                        let settled = if flight.was_sent { Settled::Uncertain } else { Settled::Failed };
                        let problem = unwritable.map(|problem| problem.to_string()).unwrap_or_default();
                        let failure = Failure::new(FailureClass::BadRequest, problem);
                        settling.settle(&flight, settled, Some(words(&failure, None)));
                    }
                    Repetition::Harmful if is_repetition => {
                        let problem = "it was sent before, and is too old to be sent again under its key";
                        settling.settle(&flight, Settled::Uncertain, Some(unknown_outcome(problem)));
                    }
                    Repetition::Harmful | Repetition::Visible | Repetition::Harmless => {
                        self.ready.push_back(flight);
                    }
                }
            }
            None => {
                let retry_at = Timestamp::from(SystemTime::now() + UNDECLARED_PAUSE);
                let settled = Settled::Again { retry_at, was_nothing: mutation.sent_at.is_none() };
                let problem = format!("the provider no longer has {} for this collection", mutation.action);
                let words = words(&Failure::new(FailureClass::BadRequest, problem), None);
                settling.settlements.push(Settlement { id: mutation.id, settled, words: Some(words) });
            }
        }
        self.store(settling, None, orders);
    }
}

fn time_until(time: Timestamp) -> Duration {
    SystemTime::from(time).duration_since(SystemTime::now()).unwrap_or_default()
}

/// How many requests for changes may be handed over: what can be sent within a second or so, as what is handed over and not
/// sent counts as sent after a crash.
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
