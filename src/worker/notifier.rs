//! Notifications for clients that LISTEN: after a change of the stream, and no more often than the consumer says.
//!
//! The worker sends them, not whoever changes the stream: a transaction that notifies holds a lock of the whole server
//! while it commits.

use crate::{
    pg::shared,
    store::listeners::{self, Listener, Seen},
};
use std::{collections::HashMap, time::Instant};

#[derive(Default)]
pub struct Notifier {
    clients: HashMap<i32, Client>,
}

struct Client {
    listener: Listener,
    /// How often the stream had changed when the consumer was looked at; `None`: it has not been.
    changes: Option<u64>,
    /// Not before then.
    next: Instant,
    seen: Seen,
}

impl Client {
    fn is_behind(&self) -> bool {
        self.changes != Some(shared::changes_of(self.listener.stream_id.as_bytes()))
    }
}

impl Notifier {
    /// Takes over what the tables say now. Consumers that are as they were go on.
    pub fn adopt(&mut self, listeners: Vec<Listener>) {
        let mut old = std::mem::take(&mut self.clients);
        self.clients = listeners
            .into_iter()
            .map(|listener| {
                let no = listener.consumer_no;
                let known = old.remove(&no).filter(|client| client.listener.version == listener.version);
                let client = known.unwrap_or_else(|| Client {
                    listener,
                    changes: None,
                    next: Instant::now(),
                    seen: Seen::default(),
                });
                (no, client)
            })
            .collect();
    }

    pub fn is_idle(&self) -> bool {
        self.clients.is_empty()
    }

    /// When there is something to do, unless a stream changes before.
    pub fn due(&self) -> Option<Instant> {
        self.clients.values().filter(|client| client.is_behind()).map(|client| client.next).min()
    }

    /// Notifies those whose time has come; within a transaction.
    pub fn notify(&mut self) -> crate::error::Result<()> {
        let now = Instant::now();
        for client in self.clients.values_mut().filter(|client| client.next <= now && client.is_behind()) {
            // First, so that a change that is not seen yet counts as one to come.
            client.changes = Some(shared::changes_of(client.listener.stream_id.as_bytes()));
            client.next = now + client.listener.interval;
            client.seen = listeners::notify(client.listener.consumer_no, client.seen)?;
        }
        Ok(())
    }
}
