//! Keeps credentials usable: renews their tokens ahead of time and when the API refuses one, once for all that use the
//! credential, checks those that somebody asks about, and asks which kinds of objects their accounts have.
//!
//! Nothing relies on a token before it is stored: what came is stored first, and then read with the next plan.

use super::{
    credential::{Access, CredentialContext},
    errand,
    outcome::{self, Happened, Outcome},
    request::{Answered, Reply},
};
use crate::{
    pg::{
        extension, shared,
        transaction::{SqlError, transaction},
    },
    settings::Settings,
    store,
};
use pgrx::{Uuid, pg_sys::Oid};
use sequin_domain::{
    failure::{Failure, FailureClass},
    secret::Secret,
    timestamp::Timestamp,
};
use sequin_net::{LaneId, Net, Refusal, Task};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

/// A token that was taken into use so lately is not to blame for a refusal.
const YOUNG: Duration = Duration::from_secs(5);
/// How often it is asked which kinds of objects there are: few come, and none goes unnoticed for longer.
pub const KINDS_EVERY: Duration = Duration::from_secs(86_400);
/// When to try again after the database could not do what it should.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Keeper {
    held: BTreeMap<Uuid, Held>,
    /// The requests under way.
    flights: HashMap<u64, Flight>,
    /// What is to be stored.
    outcomes: VecDeque<Outcome>,
    /// The credentials that somebody wants to be checked, and that are not being checked yet.
    asked: BTreeSet<Uuid>,
    not_before: Option<Instant>,
}

struct Held {
    context: Rc<CredentialContext>,
    /// Since when the token is in use.
    since: Instant,
    renew_at: Option<Instant>,
    /// When the token is no longer good, so that whoever uses it has to wait.
    ends_at: Option<Instant>,
    /// A renewal failed, and is not tried again before.
    retry_at: Option<Instant>,
    is_renewing: bool,
    /// The API has refused the token: nothing is asked with it any more.
    is_blamed: bool,
    is_checking: bool,
    /// When the kinds of objects are to be asked for; `None` where the API has no list of them.
    kinds_at: Option<Instant>,
    is_listing: bool,
}

struct Flight {
    credential: Uuid,
    errand: Errand,
}

enum Errand {
    Renewal {
        attempt: Uuid,
        /// The one that stays where the answer has none.
        refresh_token: Option<Secret>,
        /// An earlier request may have been answered without the answer having come.
        was_lost: bool,
    },
    /// `asked_at`: when it was ordered.
    Check { asked_at: Instant },
    /// The same.
    Kinds { asked_at: Instant },
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Well,
    /// The plan has to be read anew.
    Changed,
    /// The extension is gone.
    Gone,
}

/// What a step works with.
pub struct Means<'a> {
    pub extension: Oid,
    pub settings: &'a Settings,
    pub net: &'a Net<Answered>,
    pub last_id: &'a mut u64,
}

impl Keeper {
    /// Somebody wants these to be checked, as they are now.
    pub fn ask(&mut self, credentials: BTreeSet<Uuid>) {
        self.asked.extend(credentials);
    }

    /// The credentials that are asked about and about which nothing is known yet.
    pub fn asked(&self) -> Vec<Uuid> {
        let is_check = |flight: &&Flight| matches!(flight.errand, Errand::Check { .. });
        let checking = self.flights.values().filter(is_check).map(|flight| flight.credential);
        self.asked.iter().copied().chain(checking).collect()
    }

    /// Takes over what the tables say now.
    pub fn adopt(&mut self, contexts: &HashMap<Uuid, Rc<CredentialContext>>) {
        let mut old = std::mem::take(&mut self.held);
        // The others need nothing.
        let needy = contexts.iter().filter(|(id, context)| {
            context.token().is_some() || context.declaration.discover.is_some() || self.asked.contains(*id)
        });
        for (id, context) in needy {
            let known = old.remove(id);
            let mut held = Held::new(context.clone(), known.as_ref());
            held.is_renewing = self.is_under_way(id, |errand| matches!(errand, Errand::Renewal { .. }));
            held.is_checking = self.is_under_way(id, |errand| matches!(errand, Errand::Check { .. }));
            held.is_listing = self.is_under_way(id, |errand| matches!(errand, Errand::Kinds { .. }));
            held.is_blamed = known.is_some_and(|known| known.is_blamed && known.since == held.since);
            if held.is_blamed && !held.is_renewing {
                held.renew_at = Some(Instant::now());
            }
            self.held.insert(*id, held);
        }
        // Another worker has those that are not here.
        self.asked.retain(|id| self.held.contains_key(id));
    }

    fn is_under_way(&self, id: &Uuid, which: impl Fn(&Errand) -> bool) -> bool {
        self.flights.values().any(|flight| flight.credential == *id && which(&flight.errand))
    }

    /// Whether a request or its outcome is on its way, which must not be lost.
    pub fn is_busy(&self, credential: &Uuid) -> bool {
        self.flights.values().any(|flight| flight.credential == *credential)
            || self.outcomes.iter().any(|outcome| outcome.credential == *credential)
    }

    /// The lanes in which requests are under way.
    pub fn busy_lanes(&self) -> HashSet<LaneId> {
        self.flights.values().map(|flight| super::plan::lane(flight.credential)).collect()
    }

    /// Whether whoever uses the credential has to wait for another token.
    pub fn holds_up(&self, credential: &Uuid) -> bool {
        self.held.get(credential).is_some_and(|held| held.is_blamed)
    }

    /// A request that was ordered at `asked_at` was refused for its credential. True where the token is to blame, so that
    /// it is worth asking again with the next one.
    pub fn blames_token(&mut self, credential: &Uuid, asked_at: Instant) -> bool {
        let Some(held) = self.held.get_mut(credential) else { return false };
        let Some((source, _)) = held.context.token() else { return false };
        if asked_at < held.since || held.is_blamed {
            // It was the one before.
            return true;
        }
        let now = Instant::now();
        let is_in_trouble = held.retry_at.is_some_and(|at| at > now);
        if !source.renew_when_refused || is_in_trouble || now - held.since < YOUNG {
            return false;
        }
        held.is_blamed = true;
        if !held.is_renewing {
            held.renew_at = Some(now);
        }
        true
    }

    /// When there is something to do.
    pub fn due(&self) -> Option<Instant> {
        let now = Instant::now();
        let at_once = (!self.outcomes.is_empty()).then_some(now);
        let next = at_once.into_iter().chain(self.held.keys().filter_map(|id| self.due_of(id, now))).min()?;
        Some(self.not_before.map_or(next, |at| at.max(next)))
    }

    fn due_of(&self, id: &Uuid, now: Instant) -> Option<Instant> {
        let held = self.held.get(id)?;
        let check = (self.asked.contains(id) && held.can_be_checked()).then_some(now);
        let kinds = held.kinds_at.filter(|_| !held.is_listing && held.can_be_checked());
        check.into_iter().chain(kinds).chain(held.renewal()).chain(held.ends_at).min()
    }

    /// Whether the answer to this request is for the keeper.
    pub fn expects(&self, request: u64) -> bool {
        self.flights.contains_key(&request)
    }

    /// Takes the answer to one of its requests.
    pub fn answered(&mut self, request: u64, answered: Answered) {
        let Some(Flight { credential, errand }) = self.flights.remove(&request) else { return };
        let is_refused =
            matches!(&answered.result, Err(failure) if failure.class == FailureClass::Credential);
        if is_refused && self.puts_off(credential, &errand) {
            return;
        }
        let other = || Failure::new(FailureClass::Unknown, "the answer is to another question");
        let what = match (errand, answered.result) {
            (Errand::Renewal { attempt, refresh_token, .. }, Ok(Reply::Granted(granted))) => {
                Happened::Granted { attempt, refresh_token, granted }
            }
            (Errand::Renewal { attempt, was_lost, .. }, Err(failure)) => {
                Happened::Failed { attempt, failure, was_lost }
            }
            (Errand::Renewal { attempt, was_lost, .. }, Ok(_)) => {
                Happened::Failed { attempt, failure: other(), was_lost }
            }
            (Errand::Check { .. }, result) => {
                let result = result.and_then(|reply| match reply {
                    Reply::Identity(identity) => Ok(identity),
                    _ => Err(other()),
                });
                Happened::Checked { result, asked_at: answered.sent_at }
            }
            (Errand::Kinds { .. }, result) => {
                let result = result.and_then(|reply| match reply {
                    Reply::Kinds(kinds) => Ok(kinds),
                    _ => Err(other()),
                });
                Happened::Listed { result, asked_at: answered.sent_at }
            }
        };
        self.outcomes.push_back(Outcome { credential, what });
    }

    /// Whether an errand that was refused for the credential is asked again, with the next token: the one that it was asked
    /// with is to blame.
    fn puts_off(&mut self, credential: Uuid, errand: &Errand) -> bool {
        let (Errand::Check { asked_at } | Errand::Kinds { asked_at }) = errand else { return false };
        if !self.blames_token(&credential, *asked_at) {
            return false;
        }
        let Some(held) = self.held.get_mut(&credential) else { return false };
        if matches!(errand, Errand::Check { .. }) {
            held.is_checking = false;
            self.asked.insert(credential);
        } else {
            held.is_listing = false;
        }
        true
    }

    /// Does one thing that is due; never more than one transaction.
    pub fn step(&mut self, means: Means<'_>) -> Result<Step, SqlError> {
        self.not_before = None;
        let step = self.do_next(means);
        if step.is_err() {
            self.not_before = Some(Instant::now() + PAUSE);
        }
        step
    }

    fn do_next(&mut self, means: Means<'_>) -> Result<Step, SqlError> {
        if let Some(outcome) = self.outcomes.front() {
            let context = self.held.get(&outcome.credential).map(|held| &*held.context);
            let step = outcome::write_down(outcome, means.extension, context)?;
            if let Some(outcome) = self.outcomes.pop_front() {
                self.settle(&outcome);
            }
            return Ok(step);
        }
        let now = Instant::now();
        let is_due = |id: &&Uuid| self.due_of(id, now).is_some_and(|at| at <= now);
        let Some(id) = self.held.keys().find(is_due).copied() else { return Ok(Step::Well) };
        self.serve(id, now, means)
    }

    /// Whoever waits for it is told, and a failed renewal no longer holds anybody up.
    fn settle(&mut self, outcome: &Outcome) {
        if matches!(outcome.what, Happened::Checked { .. }) {
            shared::announce_change(outcome.credential.as_bytes());
        }
        if let Some(held) = self.held.get_mut(&outcome.credential) {
            match outcome.what {
                Happened::Checked { .. } => held.is_checking = false,
                Happened::Listed { .. } => (held.is_listing, held.kinds_at) = (false, None),
                Happened::Granted { .. } | Happened::Failed { .. } => {
                    // What comes next stands in the plan.
                    (held.is_renewing, held.is_blamed, held.renew_at) = (false, false, None);
                }
            }
        }
    }

    fn serve(&mut self, id: Uuid, now: Instant, means: Means<'_>) -> Result<Step, SqlError> {
        let Some(held) = self.held.get_mut(&id) else { return Ok(Step::Well) };
        let context = held.context.clone();
        if held.ends_at.is_some_and(|at| at <= now) {
            held.ends_at = None;
            return Ok(Step::Changed);
        }
        if held.renewal().is_some_and(|at| at <= now) {
            held.is_renewing = true;
            return self.renew(id, &context, means);
        }
        let is_check = self.asked.contains(&id) && held.can_be_checked();
        if is_check {
            held.is_checking = true;
            self.asked.remove(&id);
        } else {
            held.is_listing = true;
        }
        let asked = match &context.access {
            Access::Open(target) => {
                let request = next_id(means.last_id);
                let (task, errand) = if is_check {
                    (Some(errand::check(request, &context, target)), Errand::Check { asked_at: now })
                } else {
                    (errand::kinds(request, &context, target), Errand::Kinds { asked_at: now })
                };
                match task {
                    Some(task) => self.send(means.net, task, id, errand),
                    None => Ok(()),
                }
            }
            Access::Refused(failure) => Err(failure.clone()),
            Access::Waiting => Err(Failure::new(FailureClass::Unknown, "there is no token yet")),
        };
        if let Err(failure) = asked {
            let asked_at = SystemTime::now();
            let what = if is_check {
                Happened::Checked { result: Err(failure), asked_at }
            } else {
                Happened::Listed { result: Err(failure), asked_at }
            };
            self.outcomes.push_back(Outcome { credential: id, what });
        }
        Ok(Step::Well)
    }

    fn renew(&mut self, id: Uuid, context: &CredentialContext, means: Means<'_>) -> Result<Step, SqlError> {
        let Some((_, token)) = context.token() else { return Ok(Step::Well) };
        let attempt = store::new_id();
        let begun = transaction(|| {
            if extension::oid() != Some(means.extension) {
                return Ok(None);
            }
            store::tokens::begin(id, attempt, &token.version).map(Some)
        });
        let was_lost = match begun {
            Ok(Some(Some(was_lost))) => was_lost,
            // It was changed meanwhile.
            Ok(Some(None)) => return Ok(Step::Changed),
            Ok(None) => return Ok(Step::Gone),
            Err(problem) => {
                if let Some(held) = self.held.get_mut(&id) {
                    held.is_renewing = false;
                }
                return Err(problem);
            }
        };
        let sent = context.open().and_then(|opened| {
            let refresh_token = opened.refresh_token.clone();
            let task = errand::renewal(next_id(means.last_id), context, opened, means.settings)?;
            self.send(means.net, task, id, Errand::Renewal { attempt, refresh_token, was_lost })
        });
        if let Err(failure) = sent {
            let what = Happened::Failed { attempt, failure, was_lost };
            self.outcomes.push_back(Outcome { credential: id, what });
        }
        Ok(Step::Well)
    }

    fn send(
        &mut self,
        net: &Net<Answered>,
        task: Task<Answered>,
        credential: Uuid,
        errand: Errand,
    ) -> Result<(), Failure> {
        let request = task.id;
        match net.try_submit(task) {
            Ok(()) => {
                self.flights.insert(request, Flight { credential, errand });
                Ok(())
            }
            Err(rejected) if rejected.reason == Refusal::Full => {
                Err(Failure::new(FailureClass::Transient, "too many requests are under way"))
            }
            Err(rejected) => {
                pgrx::error!("the network of sequin's worker takes no request: {:?}", rejected.reason)
            }
        }
    }
}

impl Held {
    fn new(context: Rc<CredentialContext>, known: Option<&Self>) -> Self {
        let now = Instant::now();
        let token = context.token().map(|(_, token)| token);
        let at = |time: Option<Timestamp>| time.map(|time| now + until(time));
        let since = match known {
            Some(known) if got_at(&known.context) == got_at(&context) => known.since,
            Some(_) => now,
            None => got_at(&context).and_then(|time| now.checked_sub(age(time))).unwrap_or(now),
        };
        let is_open = matches!(context.access, Access::Open(_));
        Self {
            since,
            renew_at: at(token.and_then(|token| token.renew_at)),
            ends_at: at(token.and_then(|token| token.expires_at)).filter(|_| is_open),
            retry_at: at(token.and_then(|token| token.retry_at)),
            is_renewing: false,
            is_blamed: false,
            is_checking: false,
            kinds_at: kinds_at(&context),
            is_listing: false,
            context,
        }
    }

    /// When the token is to be renewed.
    fn renewal(&self) -> Option<Instant> {
        let at = self.renew_at.filter(|_| !self.is_renewing)?;
        Some(self.retry_at.map_or(at, |retry_at| retry_at.max(at)))
    }

    /// Whether it is known whether anything can be asked.
    fn can_be_checked(&self) -> bool {
        !self.is_checking && !self.is_blamed && !matches!(self.context.access, Access::Waiting)
    }
}

/// When the kinds of objects are to be asked for; `None` where the API has no list of them.
fn kinds_at(context: &CredentialContext) -> Option<Instant> {
    context.declaration.discover.as_ref()?;
    let now = Instant::now();
    let Some(list) = &context.row.kinds else { return Some(now) };
    let due = match list.listed_at.filter(|listed_at| *listed_at >= list.wanted_at) {
        Some(listed_at) => now + KINDS_EVERY.saturating_sub(age(listed_at)),
        None => now,
    };
    Some(list.retry_at.map_or(due, |retry_at| due.max(now + until(retry_at))))
}

/// When the token came that is in use.
fn got_at(context: &CredentialContext) -> Option<Timestamp> {
    context.row.token.as_ref().and_then(|token| token.refreshed_at)
}

fn next_id(last: &mut u64) -> u64 {
    *last += 1;
    *last
}

fn until(time: Timestamp) -> Duration {
    SystemTime::from(time).duration_since(SystemTime::now()).unwrap_or_default()
}

fn age(time: Timestamp) -> Duration {
    SystemTime::now().duration_since(time.into()).unwrap_or_default()
}
