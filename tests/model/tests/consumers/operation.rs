//! What can happen, at random.

use crate::{
    model::{Action, PLENTY, RECORDS, SESSIONS, Settings},
    state::Minutes,
};
use proptest::{collection::vec, option, prelude::*, sample::subsequence};

#[derive(Clone, Debug)]
pub struct Case {
    pub settings: Settings,
    pub operations: Vec<Operation>,
}

#[derive(Clone, Debug)]
pub enum Operation {
    Write {
        records: Vec<usize>,
        deleted: bool,
    },
    Begin {
        session: usize,
    },
    Commit {
        session: usize,
    },
    Rollback {
        session: usize,
    },
    Consume {
        session: usize,
        batch_size: usize,
    },
    Settle {
        session: usize,
        action: Action,
        choice: Choice,
        foreign: bool,
    },
    /// From the record with this number in the order of positions, the first one being 1; 0: everything.
    Replay {
        from: usize,
    },
    PassTime,
}

/// Tokens of what was delivered, whatever became of it since.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Batches, counted back from the latest, 0; one that is named twice gives its tokens twice.
    pub batches: Vec<usize>,
    /// A bit a token; `None`: all.
    pub part: Option<u16>,
}

pub fn cases() -> impl Strategy<Value = Case> {
    (settings(), vec(operation(), 1..=60)).prop_map(|(settings, operations)| Case { settings, operations })
}

fn settings() -> impl Strategy<Value = Settings> {
    (any::<bool>(), option::of(Just(2)), prop_oneof![Just(PLENTY), Just(5)]).prop_map(
        |(is_filtered, max_deliver, max_ack_pending)| Settings { is_filtered, max_deliver, max_ack_pending },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let session = || 0..SESSIONS;
    let records = subsequence((0..RECORDS).collect::<Vec<_>>(), 1..=6);
    prop_oneof![
        5 => (records, prop::bool::weighted(0.2)).prop_map(|(records, deleted)| Operation::Write { records, deleted }),
        2 => session().prop_map(|session| Operation::Begin { session }),
        2 => session().prop_map(|session| Operation::Commit { session }),
        1 => session().prop_map(|session| Operation::Rollback { session }),
        8 => (session(), prop_oneof![3 => 1..=3usize, 1 => 4..=10usize]).prop_map(|(session, batch_size)| Operation::Consume { session, batch_size }),
        8 => (session(), action(), choice(), prop::bool::weighted(0.05)).prop_map(
            |(session, action, choice, foreign)| Operation::Settle { session, action, choice, foreign }
        ),
        1 => (0..=RECORDS).prop_map(|from| Operation::Replay { from }),
        2 => Just(Operation::PassTime),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Ack),
        3 => times([0, 20, 60]).prop_map(Action::Nack),
        1 => times([20, 100, 100]).prop_map(Action::Extend),
    ]
}

fn times(times: [Minutes; 3]) -> impl Strategy<Value = Minutes> {
    prop::sample::select(times.to_vec())
}

fn choice() -> impl Strategy<Value = Choice> {
    let batch = prop_oneof![4 => 0..3usize, 1 => 3..12usize];
    (vec(batch, 1..=2), option::of(any::<u16>())).prop_map(|(batches, part)| Choice { batches, part })
}
