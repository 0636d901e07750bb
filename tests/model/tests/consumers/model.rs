//! What a consumer promises, in memory. A transaction that is open is the list of its effects, which nobody else sees
//! and which keep others off what it has touched.

use crate::{
    state::{Delivery, Effect, Minutes, State, Token},
    transaction::Transaction,
};
use std::collections::{BTreeMap, BTreeSet};

pub const SESSIONS: usize = 3;
/// Each is a number below it; see `Settings::lets_pass`.
pub const RECORDS: usize = 12;
/// How long a delivery lives. What lives or waits never ends at the very moment to which time passes, so nothing depends
/// on how fast the test is.
pub const ACK_WAIT: Minutes = 60;
pub const PASSING_TIME: Minutes = 40;
/// A `max_ack_pending` that all operations of a case can't exhaust.
pub const PLENTY: i32 = 1000;

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub is_filtered: bool,
    pub max_deliver: Option<i32>,
    pub max_ack_pending: i32,
}

impl Settings {
    /// The filter names the collection of the even records.
    pub fn lets_pass(&self, record: usize) -> bool {
        !self.is_filtered || record.is_multiple_of(2)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Version {
    pub position: i64,
    pub value: i64,
    pub deleted: bool,
}

/// A row of `sequin.consume`.
#[derive(Clone, Copy, Debug)]
pub struct Delivered {
    pub token: Token,
    pub record: usize,
    pub version: Version,
    pub count: i32,
}

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Ack,
    /// With its delay.
    Nack(Minutes),
    /// With its `ack_wait`.
    Extend(Minutes),
}

pub struct Model {
    settings: Settings,
    versions: BTreeMap<usize, Version>,
    committed: State,
    open: [Option<Transaction>; SESSIONS],
    tokens: BTreeSet<Token>,
}

impl Model {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            versions: BTreeMap::new(),
            committed: State::default(),
            open: Default::default(),
            tokens: BTreeSet::new(),
        }
    }

    // What is done to all

    pub fn write(&mut self, record: usize, version: Version) {
        self.versions.insert(record, version);
        if self.settings.lets_pass(record) {
            self.committed.offer(version.position);
        }
    }

    pub fn replay(&mut self, from: i64) {
        for (record, version) in &self.versions {
            if version.position >= from && self.settings.lets_pass(*record) {
                self.committed.offer(version.position);
            }
        }
    }

    /// Time passes for these leases, and for what waits at these positions.
    pub fn pass_time(&mut self, leases: &[i64], positions: &[i64]) {
        for (token, delivery) in &mut self.committed.in_flight {
            if leases.contains(&token.lease) {
                delivery.left -= PASSING_TIME;
            }
        }
        for position in positions {
            if let Some(pending) = self.committed.pending.get_mut(position) {
                pending.wait -= PASSING_TIME;
            }
        }
    }

    // What the sessions do

    pub fn begin(&mut self, session: usize) {
        self.open[session] = Some(Transaction::default());
    }

    pub fn commit(&mut self, session: usize) {
        for effect in self.open[session].take().unwrap_or_default().effects {
            self.committed.apply(effect, self.settings.max_deliver);
        }
    }

    pub fn rollback(&mut self, session: usize) {
        self.open[session] = None;
    }

    /// How many of the tokens are live; `None`: the session would wait for another one's transaction.
    pub fn settle(&mut self, session: usize, action: Action, tokens: &[Token]) -> Option<usize> {
        if tokens.iter().any(|token| self.is_locked(session, token.lease)) {
            return None;
        }
        let view = self.view(session);
        let is_live = |token: &Token| view.in_flight.get(token).is_some_and(|delivery| delivery.left > 0);
        let live: BTreeSet<Token> = tokens.iter().copied().filter(is_live).collect();
        let effects = live.iter().map(|token| match action {
            Action::Ack => Effect::Ack(*token),
            Action::Nack(delay) => Effect::GiveBack(*token, delay),
            Action::Extend(ack_wait) => Effect::Extend(*token, ack_wait),
        });
        self.lock(session, tokens);
        self.perform(session, effects.collect());
        Some(live.len())
    }

    /// `sequin.consume` begins with giving back what has expired.
    pub fn sweep(&mut self, session: usize) {
        let view = self.view(session);
        let is_expired = |(token, delivery): (&Token, &Delivery)| {
            (delivery.left <= 0 && !self.is_locked(session, token.lease)).then_some(*token)
        };
        let expired: Vec<Token> = view.in_flight.iter().filter_map(is_expired).collect();
        self.lock(session, &expired);
        self.perform(session, expired.into_iter().map(|token| Effect::GiveBack(token, 0)).collect());
    }

    /// How many records `sequin.consume` must give.
    pub fn owed(&self, session: usize, batch_size: usize) -> usize {
        let view = self.view(session);
        let met = self.met_by_others(session);
        let is_due = |(record, version): &(&usize, &Version)| {
            view.pending.get(&version.position).is_some_and(|pending| pending.wait <= 0)
                && !view.has_in_flight(**record)
                && !met.contains(record)
        };
        self.versions.iter().filter(is_due).count().min(batch_size).min(self.room(session, &view))
    }

    /// Others have room for what they have asked for, whatever they got: where that can be all, nothing is sure.
    fn room(&self, session: usize, view: &State) -> usize {
        if self.settings.max_ack_pending < PLENTY && self.others(session).next().is_some() {
            return 0;
        }
        usize::try_from(self.settings.max_ack_pending).unwrap_or(0).saturating_sub(view.in_flight.len())
    }

    /// Takes over what `sequin.consume` gave, or tells what it must not have given.
    pub fn consume(&mut self, session: usize, batch: &[Delivered]) -> Result<(), String> {
        let mut view = self.view(session);
        let elsewhere: BTreeSet<usize> = self.others(session).flat_map(Transaction::taken).collect();
        let mut effects = Vec::new();
        for delivered in batch {
            let Delivered { token, record, version, count } = *delivered;
            let problem = match view.pending.get(&version.position) {
                _ if !self.tokens.insert(token) => "the token is of another delivery",
                _ if self.versions.get(&record) != Some(&version) => "the stream has another version",
                _ if elsewhere.contains(&record) => "an open transaction has the record",
                _ if view.has_in_flight(record) => "the record is in flight",
                None => "it is not to be delivered",
                Some(pending) if pending.wait > 0 => "it has to wait",
                Some(pending) if pending.count + 1 != count => "the count is wrong",
                Some(_) => {
                    let effect = Effect::Take(token, Delivery { record, count, left: ACK_WAIT });
                    view.apply(effect, self.settings.max_deliver);
                    effects.push(effect);
                    continue;
                }
            };
            return Err(format!("{problem}: {delivered:?}"));
        }
        self.perform(session, effects);
        self.meet(session, &view);
        let in_flight = view.in_flight.len() + self.taken_by_others(session);
        let max_ack_pending = self.settings.max_ack_pending;
        if !batch.is_empty() && i32::try_from(in_flight).is_ok_and(|in_flight| in_flight > max_ack_pending) {
            return Err(format!(
                "{in_flight} records are in flight, and max_ack_pending is {max_ack_pending}"
            ));
        }
        Ok(())
    }

    // What there is

    pub fn is_open(&self, session: usize) -> bool {
        self.open[session].is_some()
    }

    pub fn is_at_rest(&self) -> bool {
        self.open.iter().all(Option::is_none)
    }

    /// Whether a transaction that is open has taken records.
    pub fn has_takers(&self) -> bool {
        self.open.iter().flatten().any(|transaction| transaction.taken().next().is_some())
    }

    pub fn positions(&self) -> BTreeSet<i64> {
        self.versions.values().map(|version| version.position).collect()
    }

    pub fn in_flight(&self) -> usize {
        self.committed.in_flight.len()
    }

    pub fn dead(&self) -> usize {
        self.versions.values().filter(|version| self.committed.dead.contains(&version.position)).count()
    }

    /// The records whose latest version was neither acknowledged nor given up.
    pub fn unfinished(&self) -> Vec<usize> {
        let State { acked, dead, .. } = &self.committed;
        let is_unfinished = |(record, Version { position, .. }): &(&usize, &Version)| {
            self.settings.lets_pass(**record) && !acked.contains(position) && !dead.contains(position)
        };
        self.versions.iter().filter(is_unfinished).map(|(record, _)| *record).collect()
    }

    // Transactions

    fn view(&self, session: usize) -> State {
        let mut view = self.committed.clone();
        for effect in self.open[session].iter().flat_map(|transaction| &transaction.effects) {
            view.apply(*effect, self.settings.max_deliver);
        }
        view
    }

    fn perform(&mut self, session: usize, effects: Vec<Effect>) {
        match &mut self.open[session] {
            Some(transaction) => transaction.effects.extend(effects),
            None => effects.into_iter().for_each(|e| self.committed.apply(e, self.settings.max_deliver)),
        }
    }

    /// A lease that others can't see is nothing to wait for.
    fn lock(&mut self, session: usize, tokens: &[Token]) {
        if let Some(transaction) = &mut self.open[session] {
            let leases = tokens.iter().map(|token| token.lease);
            transaction.locked.extend(leases.filter(|lease| self.committed.has_lease(*lease)));
        }
    }

    fn meet(&mut self, session: usize, view: &State) {
        let met = self.met_by_others(session);
        if let Some(transaction) = &mut self.open[session] {
            transaction.met.extend(view.in_flight.values().map(|delivery| delivery.record).chain(met));
        }
    }

    fn is_locked(&self, session: usize, lease: i64) -> bool {
        self.others(session).any(|transaction| transaction.locked.contains(&lease))
    }

    fn others(&self, session: usize) -> impl Iterator<Item = &Transaction> {
        let others = self.open.iter().enumerate().filter(move |(number, _)| *number != session);
        others.filter_map(|(_, transaction)| transaction.as_ref())
    }

    fn met_by_others(&self, session: usize) -> BTreeSet<usize> {
        self.others(session).flat_map(|transaction| &transaction.met).copied().collect()
    }

    /// How many records the others have taken and not settled since.
    fn taken_by_others(&self, session: usize) -> usize {
        let is_new = |token: &Token| !self.committed.in_flight.contains_key(token);
        let others = (0..SESSIONS).filter(|number| *number != session).map(|number| self.view(number));
        others.map(|view| view.in_flight.into_keys().filter(is_new).count()).sum()
    }
}
