//! Whether what secrets come from has changed: files outside of the database, and the key.

use super::credential::CredentialContext;
use crate::secret::{self, Reference, Stamp};
use pgrx::Uuid;
use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::{Duration, Instant},
};

/// Between two looks, where nothing calls for one earlier.
const INTERVAL: Duration = Duration::from_secs(60);

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Outside(Reference),
    /// What opens the secrets, where it can't be used.
    Key,
}

/// How it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    origin: Origin,
    stamp: Option<Stamp>,
}

impl Seen {
    pub fn now(origin: Origin) -> Self {
        let stamp = match &origin {
            Origin::Outside(reference) => reference.stamp(),
            Origin::Key => secret::key_stamp(),
        };
        Self { origin, stamp }
    }

    /// `is_time`: to try what is hidden, as what a command prints.
    fn may_be_new(&self, is_time: bool) -> bool {
        let is_hidden = self.origin == Origin::Key && secret::is_from_command();
        (is_hidden && is_time) || Self::now(self.origin.clone()) != *self
    }
}

#[derive(Default)]
pub struct Watch {
    seen: BTreeMap<Uuid, Vec<Seen>>,
    look_at: Option<Instant>,
    /// When what is hidden was last taken to have changed.
    tried_at: Option<Instant>,
}

impl Watch {
    /// Takes over what the credentials of a plan come from.
    pub fn adopt(&mut self, contexts: &HashMap<Uuid, Rc<CredentialContext>>) {
        let watched = contexts.iter().filter(|(_, context)| !context.seen.is_empty());
        self.seen = watched.map(|(id, context)| (*id, context.seen.clone())).collect();
        self.put_off();
    }

    /// Somebody says that there is something new.
    pub fn look_anew(&mut self) {
        self.tried_at = None;
        self.look_soon();
    }

    /// Something has happened that a change would explain.
    pub fn look_soon(&mut self) {
        self.look_at = (!self.seen.is_empty()).then(Instant::now);
    }

    fn put_off(&mut self) {
        self.look_at = (!self.seen.is_empty()).then(|| Instant::now() + INTERVAL);
    }

    /// When to look.
    pub fn due(&self) -> Option<Instant> {
        self.look_at
    }

    /// Whether the plan should be read anew.
    pub fn look(&mut self) -> bool {
        self.put_off();
        let is_time = self.is_time();
        self.seen.values().flatten().any(|seen| seen.may_be_new(is_time))
    }

    /// The credentials that are worth trying again; the plan is about to be read.
    pub fn take_changed(&mut self) -> Vec<Uuid> {
        let is_time = self.is_time();
        if is_time {
            self.tried_at = Some(Instant::now());
        }
        let may_be_new = |seen: &Vec<Seen>| seen.iter().any(|seen| seen.may_be_new(is_time));
        self.seen.iter().filter(|(_, seen)| may_be_new(seen)).map(|(id, _)| *id).collect()
    }

    /// Whether it is worth trying what is hidden.
    fn is_time(&self) -> bool {
        self.tried_at.is_none_or(|at| at.elapsed() >= INTERVAL)
    }
}
