//! Asking now and then which properties the objects of a collection have, where they differ from account to account.

use super::{
    job::{Ask, Orders, Retry, Tag, Then, Work},
    plan::SyncContext,
    request::{Answered, Question, Reply},
};
use sequin_domain::{
    failure::{Failure, FailureClass},
    schedule::until_due,
    timestamp::Timestamp,
};
use sequin_net::Priority;
use sequin_provider::declaration::CollectionRef;
use std::{
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

/// How often properties are asked for: few come, and none goes unnoticed for longer.
const EVERY: Duration = Duration::from_secs(86_400);

pub struct Describe {
    sync: Rc<SyncContext>,
    collection: CollectionRef,
    /// When they were asked for last.
    last: Option<Timestamp>,
    due: Instant,
    /// It has been asked for, or is being stored.
    is_asked: bool,
    retry: Retry,
}

impl Describe {
    /// `last`: when they were asked for; `None` where they are to be asked for at once.
    pub fn new(
        sync: Rc<SyncContext>,
        collection: CollectionRef,
        last: Option<Timestamp>,
        retry: Retry,
    ) -> Self {
        let due = Instant::now() + until_due(last, EVERY, SystemTime::now().into());
        Self { sync, collection, last, due, is_asked: false, retry }
    }

    pub fn sync(&self) -> &Rc<SyncContext> {
        &self.sync
    }

    /// Whether they have been asked for since, or are to be asked for at once.
    pub fn is_described_otherwise(&self) -> bool {
        self.sync.described_at(&self.collection_id()) != self.last
    }

    pub fn drive(&mut self, now: Instant, orders: &mut Orders) {
        if self.is_asked {
            return;
        }
        let at = self.retry.waits_until(now).map_or(self.due, |until| until.max(self.due));
        if at > now {
            orders.wake_at(at);
            return;
        }
        self.is_asked = true;
        let question = Question::Properties { collection: self.collection.clone() };
        orders.asks.push(Ask { tag: Tag::Properties, question, priority: Priority::Polling, shows: None });
    }

    pub fn answered(&mut self, answered: Answered, orders: &mut Orders) {
        let failure = match answered.result {
            Ok(Reply::Properties(properties)) => {
                let recovered = self.retry.succeeded().then(|| self.collection_id());
                let types =
                    properties.iter().map(|each| each.field_type.map(|own| own.name().to_owned())).collect();
                let properties = properties.into_iter().map(|property| property.name).collect();
                let then = Then::Described { collection_id: self.collection_id(), properties, types };
                orders.works.push(Work { batch: None, recovered, then });
                return;
            }
            Ok(_) => Failure::new(FailureClass::Unknown, "the answer is to another question"),
            Err(failure) => failure,
        };
        self.give_back();
        let retry_in = self.retry.failed(&failure);
        orders.wake_at(Instant::now() + retry_in);
        orders.work(Then::FailCollection { collection_id: self.collection_id(), failure, retry_in });
    }

    /// The question is to be asked again.
    pub fn give_back(&mut self) {
        self.is_asked = false;
    }

    fn collection_id(&self) -> String {
        self.collection.id().as_str().to_owned()
    }
}
