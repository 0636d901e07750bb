//! What an open transaction has done, and what it keeps others from.

use crate::state::Effect;
use std::collections::BTreeSet;

#[derive(Default)]
pub struct Transaction {
    pub effects: Vec<Effect>,
    /// The leases that others would wait for.
    pub locked: BTreeSet<i64>,
    /// The records that it has taken, or met in flight: others need not get them before it ends.
    pub met: BTreeSet<usize>,
}

impl Transaction {
    /// The records that it has taken.
    pub fn taken(&self) -> impl Iterator<Item = usize> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Take(_, delivery) => Some(delivery.record),
            _ => None,
        })
    }
}
