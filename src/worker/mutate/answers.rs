//! What becomes of changes by the answers that come.

use super::Mutate;
use crate::{
    store::mutations::Settled,
    worker::{
        flight::{self, Flight, Settling, Stage, unknown_outcome, words},
        job::{Orders, Tag, jitter},
        request::{Answered, Reply},
    },
};
use sequin_domain::{
    failure::{Failure, FailureClass},
    mutation::{Action, Effect, Verdict},
};
use sequin_provider::{
    batch_write::Outcome,
    made::Made,
    record::{Record, Rejected},
    refusal::Refusal,
};
use std::time::{Duration, Instant, SystemTime};

/// For how long failures hold up changes of other objects at most, unless the API asks for more. Each change that fails waits
/// longer and longer by itself.
const LONGEST_HOLD: Duration = Duration::from_secs(10);

impl Mutate {
    pub fn answered(&mut self, tag: &Tag, answered: Answered, orders: &mut Orders) {
        let Tag::Mutation(id) = tag else { return };
        let Some(flights) = self.open.remove(id) else { return };
        let Some(collection) = flights.first().map(|flight| flight.change.collection.clone()) else { return };
        let Answered { sent_at, has_arrived, refusal, result, .. } = answered;
        let mut settling = Settling::default();
        // What an answer shows is so from when its request was sent on.
        let mut observed_at = sent_at;
        match result {
            Ok(Reply::Written { made, received_at }) => {
                for flight in flights {
                    observed_at = self.made(flight, made.clone(), received_at, &mut settling);
                }
            }
            Ok(Reply::WrittenTogether { outcomes, received_at }) => {
                observed_at = received_at;
                let are_several = flights.len() > 1;
                for (flight, outcome) in flights.into_iter().zip(outcomes) {
                    match outcome {
                        Outcome::Made(made) => {
                            self.made(flight, made, received_at, &mut settling);
                        }
                        // Alone, the API's words are about it and nothing else.
                        Outcome::Refused(failure, refusal) if are_several => {
                            self.separate(flight, &failure, Some(refusal.as_ref()), &mut settling);
                        }
                        Outcome::Refused(failure, refusal) => {
                            let refusal = Some(refusal.as_ref());
                            self.failed(flight, &failure, true, refusal, &mut settling, orders);
                        }
                        Outcome::Untold => {
                            let problem = "the answer does not say what came of it";
                            let failure = Failure::new(FailureClass::BadData, problem);
                            self.failed(flight, &failure, true, None, &mut settling, orders);
                        }
                    }
                }
            }
            Ok(Reply::Seen(made)) => {
                for flight in flights {
                    self.seen(flight, made.clone(), &mut settling);
                }
            }
            Ok(Reply::Object(object)) => {
                for flight in flights {
                    self.read(flight, object.clone(), &mut settling);
                }
            }
            Ok(Reply::Page(page)) => {
                for flight in flights {
                    let object = flight::shown(&page, flight::read_id(&flight).unwrap_or_default());
                    self.read(flight, object, &mut settling);
                }
            }
            Ok(_) => {
                let failure = Failure::new(FailureClass::Unknown, "the answer is to another question");
                for flight in flights {
                    self.failed(flight, &failure, has_arrived, refusal.as_deref(), &mut settling, orders);
                }
            }
            Err(failure) => {
                let is_of_one = matches!(failure.class, FailureClass::BadRequest | FailureClass::Missing);
                let are_sent = flights.iter().all(|flight| flight.stage == Stage::Send);
                // One of them is to blame, and nobody says which.
                let part = flights.len() > 1 && are_sent && is_of_one && refusal.is_some();
                for flight in flights {
                    if part {
                        self.separate(flight, &failure, refusal.as_deref(), &mut settling);
                    } else {
                        self.failed(flight, &failure, has_arrived, refusal.as_deref(), &mut settling, orders);
                    }
                }
            }
        }
        self.store(settling, Some((&collection, observed_at)), orders);
    }

    /// It was refused among others, and is asked for by itself. No more stay handed over than can be sent in a second.
    fn separate(
        &mut self,
        mut flight: Flight,
        failure: &Failure,
        refusal: Option<&Refusal>,
        settling: &mut Settling,
    ) {
        if self.ready.len() + self.open.len() < self.window {
            flight.is_alone = true;
            self.ready.push_back(flight);
        } else {
            settling.settle(&flight, flight.put_off(Duration::ZERO, true), Some(words(failure, refusal)));
        }
    }

    /// The API has made it; gives the time from which on what it has answered is so.
    fn made(
        &mut self,
        mut flight: Flight,
        made: Made,
        received_at: SystemTime,
        settling: &mut Settling,
    ) -> SystemTime {
        self.retry.succeeded();
        // It was sent before under its key: this can be what the API answered then.
        let first = flight.mutation.sent_at.filter(|_| flight.change.is_keyed()).map(SystemTime::from);
        let object = match made {
            Made::Named(upstream_id) => {
                flight.stage = Stage::Read { upstream_id, judges: false };
                self.ready.push_back(flight);
                return received_at;
            }
            Made::Shown(object) => object,
        };
        let is_deleted = matches!(&object, Ok(record) if record.deleted);
        if let Ok(Record { upstream_id, deleted: false, .. }) = &object
            && first.is_some()
            && flight.change.collection.is_retrievable()
        {
            flight.stage = Stage::Read { upstream_id: upstream_id.clone(), judges: false };
            self.ready.push_back(flight);
            return received_at;
        }
        if let Ok(record) = &object
            && flight.change.action == Action::Update
            && flight.change.upstream_id.as_ref() != Some(&record.upstream_id)
        {
            // It was found by what another object has by now.
            let problem = format!("the API has changed another object, {:?}", record.upstream_id);
            settling.settle(&flight, Settled::Uncertain, Some(unknown_outcome(&problem)));
            settling.records.extend(object);
            return received_at;
        }
        settling.done(&flight, object);
        // What the API has said in answer to a change is so from when it arrives on: a list that was asked for while it
        // was under way may show what was before.
        first.filter(|_| !is_deleted).unwrap_or(received_at)
    }

    /// What it is about has been looked at.
    fn seen(&mut self, mut flight: Flight, made: Option<Made>, settling: &mut Settling) {
        match made {
            Some(Made::Named(upstream_id)) => {
                flight.stage = Stage::Read { upstream_id, judges: true };
                self.ready.push_back(flight);
            }
            Some(Made::Shown(object)) => self.judge(flight, object, settling),
            None => match flight.change.upstream_id.clone() {
                Some(upstream_id) => self.judge(flight, Ok(Record::gone(&upstream_id)), settling),
                None => self.not_made(flight, settling),
            },
        }
    }

    /// The object has been read.
    fn read(&mut self, flight: Flight, object: Result<Record, Rejected>, settling: &mut Settling) {
        self.retry.succeeded();
        match flight.stage {
            Stage::Read { judges: true, .. } => self.judge(flight, object, settling),
            _ => settling.done(&flight, object),
        }
    }

    /// Whether a change was made shows in what the object is now.
    fn judge(&mut self, flight: Flight, object: Result<Record, Rejected>, settling: &mut Settling) {
        self.retry.succeeded();
        let change = &flight.change;
        let Ok(record) = object else { return self.not_made(flight, settling) };
        let is_own =
            change.action == Action::Create || change.upstream_id.as_ref() == Some(&record.upstream_id);
        let shows_it = |record: &Record| {
            !record.deleted && record.data.as_deref().is_some_and(|data| change.is_shown_by(data))
        };
        let is_made = match change.action {
            Action::Delete => record.deleted,
            Action::Create | Action::Update | Action::Upsert => is_own && shows_it(&record),
        };
        if is_made {
            settling.done(&flight, Ok(record));
        } else if change.action == Action::Create && !record.deleted && flight.refused.is_none() {
            let problem = format!(
                "there is one such object, {:?}, and it is another than was asked for",
                record.upstream_id
            );
            settling.settle(&flight, Settled::Uncertain, Some(unknown_outcome(&problem)));
        } else {
            self.not_made(flight, settling);
        }
    }

    /// It has been looked for, and was not made.
    fn not_made(&mut self, mut flight: Flight, settling: &mut Settling) {
        self.retry.succeeded();
        if let Some(words) = flight.refused.take() {
            settling.settle(&flight, Settled::Failed, Some(words));
        } else if flight.change.is_repeatable() {
            flight.stage = Stage::Send;
            flight.is_missed = true;
            self.ready.push_back(flight);
        } else {
            let problem = "it was sent, and the object does not show it";
            settling.settle(&flight, Settled::Uncertain, Some(unknown_outcome(problem)));
        }
    }

    fn failed(
        &mut self,
        mut flight: Flight,
        failure: &Failure,
        has_arrived: bool,
        refusal: Option<&Refusal>,
        settling: &mut Settling,
        orders: &mut Orders,
    ) {
        let effect = match flight.stage {
            // It may have been done before the permission was taken away.
            Stage::Send
                if failure.class == FailureClass::Permission && flight.was_sent && !flight.is_missed =>
            {
                Effect::Unknown
            }
            Stage::Send if refusal.is_some_and(|refusal| refusal.is_undone) => Effect::None,
            Stage::Send => Effect::of(failure.class, has_arrived, refusal.is_some()),
            // Nothing has become known of it.
            Stage::Look | Stage::Read { .. } => Effect::Unknown,
        };
        let hold = if effect == Effect::Refused {
            self.retry.succeeded();
            Duration::ZERO
        } else {
            self.hold(failure, has_arrived, orders)
        };
        let words = words(failure, refusal);
        let delay = failure.delay(flight.mutation.attempts.max(1), jitter()).max(hold);
        if flight.stage != Stage::Send {
            settling.settle(&flight, flight.put_off(delay, false), Some(words));
            return;
        }
        let may_be_done = flight.was_sent;
        flight.was_sent |= effect == Effect::Unknown;
        // What comes again is refused where it was done at first, and nothing can be there twice; what is said to be missing
        // may be hidden.
        let is_unique = may_be_done && flight.change.is_unique();
        let is_missing = flight.change.action == Action::Delete && failure.class == FailureClass::Missing;
        if effect == Effect::Refused
            && (is_unique || is_missing)
            && flight.change.can_be_seen()
            && flight.refused.is_none()
        {
            flight.refused = Some(words);
            flight.stage = flight.look();
            self.ready.push_back(flight);
            return;
        }
        let repetition = flight.change.repetition(flight::age(&flight.mutation));
        let settled = match effect.verdict(repetition) {
            // It was looked for a moment ago; now it takes the time that what fails again and again takes.
            Verdict::Look if flight.is_missed => flight.put_off(delay, false),
            Verdict::Look => {
                flight.stage = flight.look();
                self.ready.push_back(flight);
                return;
            }
            Verdict::Again => flight.put_off(delay, effect == Effect::None),
            Verdict::Failed => Settled::Failed,
            Verdict::Uncertain => Settled::Uncertain,
        };
        settling.settle(&flight, settled, Some(words));
    }

    /// Lets all changes wait after a failure that can be one of the API's; gives for how long.
    fn hold(&mut self, failure: &Failure, has_arrived: bool, orders: &mut Orders) -> Duration {
        use FailureClass::{BadRequest, Credential, Missing, Permission};
        let longest = match failure.class {
            Credential => Duration::MAX,
            // Another change may go well.
            BadRequest | Missing | Permission if has_arrived => return Duration::ZERO,
            _ => LONGEST_HOLD,
        };
        let hold = self.retry.failed_for(failure, longest);
        orders.wake_at(Instant::now() + hold);
        hold
    }
}
