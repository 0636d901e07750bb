//! Which of a database's workers works with which credential: all that shares a rate limit is in one hand.
//!
//! A lease is an advisory lock of the worker's session, so that it ends with the worker, however that ends.

use crate::{error::Result, store::leases};
use pgrx::Uuid;
use std::collections::BTreeSet;

#[derive(Default)]
pub struct Leases {
    held: BTreeSet<Uuid>,
    /// Whether it is this worker that notifies the clients of consumers.
    notifies: bool,
}

impl Leases {
    /// Takes what is free of `wanted`, up to this worker's share of it; within a transaction.
    ///
    /// Returns what it holds beyond its share, and what nobody wants any more: to be given to [`Leases::release`] once it
    /// is at rest.
    pub fn take(&mut self, wanted: &BTreeSet<Uuid>, workers: usize) -> Result<BTreeSet<Uuid>> {
        let share = wanted.len().div_ceil(workers.max(1));
        let mut excess: BTreeSet<Uuid> = self.held.difference(wanted).copied().collect();
        let kept = self.held.intersection(wanted).count();
        excess.extend(self.held.intersection(wanted).skip(share));
        let mut room = share.saturating_sub(kept);
        for credential in wanted {
            if room > 0 && !self.held.contains(credential) && leases::take(*credential)? {
                self.held.insert(*credential);
                room -= 1;
            }
        }
        self.notifies = self.notifies || leases::take_notifying()?;
        Ok(excess)
    }

    pub fn holds(&self, credential: &Uuid) -> bool {
        self.held.contains(credential)
    }

    pub fn notifies(&self) -> bool {
        self.notifies
    }

    /// Lets other workers have these; within a transaction.
    pub fn release(&mut self, credentials: &BTreeSet<Uuid>) -> Result<()> {
        for credential in credentials {
            leases::release(*credential)?;
            self.held.remove(credential);
        }
        Ok(())
    }
}
