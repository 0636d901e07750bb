//! Where each version of a record is with a consumer, and what moves it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub type Minutes = i32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    pub lease: i64,
    pub position: i64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.lease, self.position)
    }
}

/// To be delivered: how often it was, and how long it has to wait yet.
#[derive(Clone, Copy)]
pub struct Pending {
    pub count: i32,
    pub wait: Minutes,
}

/// In flight. Where no time is left, it has expired but was not given back yet.
#[derive(Clone, Copy)]
pub struct Delivery {
    pub record: usize,
    pub count: i32,
    pub left: Minutes,
}

#[derive(Clone, Copy)]
pub enum Effect {
    Take(Token, Delivery),
    Ack(Token),
    /// With how long it has to wait.
    GiveBack(Token, Minutes),
    /// With how long it lives from now on.
    Extend(Token, Minutes),
}

/// By position. A position that was superseded may still be in it, and means nothing.
#[derive(Clone, Default)]
pub struct State {
    pub pending: BTreeMap<i64, Pending>,
    pub in_flight: BTreeMap<Token, Delivery>,
    pub acked: BTreeSet<i64>,
    pub dead: BTreeSet<i64>,
}

impl State {
    pub fn apply(&mut self, effect: Effect, max_deliver: Option<i32>) {
        match effect {
            Effect::Take(token, delivery) => {
                self.pending.remove(&token.position);
                self.in_flight.insert(token, delivery);
            }
            Effect::Ack(token) => {
                self.in_flight.remove(&token);
                self.acked.insert(token.position);
            }
            Effect::GiveBack(token, wait) => {
                if let Some(Delivery { count, .. }) = self.in_flight.remove(&token) {
                    self.give_back(token.position, Pending { count, wait }, max_deliver);
                }
            }
            Effect::Extend(token, left) => {
                if let Some(delivery) = self.in_flight.get_mut(&token) {
                    delivery.left = left;
                }
            }
        }
    }

    fn give_back(&mut self, position: i64, pending: Pending, max_deliver: Option<i32>) {
        if self.pending.contains_key(&position) {
            // A replay has made sure that it comes once more, and its count begins anew.
        } else if max_deliver.is_some_and(|max| pending.count >= max) {
            self.dead.insert(position);
        } else {
            self.pending.insert(position, pending);
        }
    }

    /// Delivers a version, whatever became of it.
    pub fn offer(&mut self, position: i64) {
        self.pending.insert(position, Pending { count: 0, wait: 0 });
        self.acked.remove(&position);
        self.dead.remove(&position);
    }

    pub fn has_in_flight(&self, record: usize) -> bool {
        self.in_flight.values().any(|delivery| delivery.record == record)
    }

    pub fn has_lease(&self, lease: i64) -> bool {
        self.in_flight.keys().any(|token| token.lease == lease)
    }
}
