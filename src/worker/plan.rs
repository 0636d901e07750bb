//! What the tables ask for, made ready to be worked on.

use super::request::Target;
use crate::{
    error::Result,
    secret::Key,
    settings::Settings,
    store::{pages::Place, plan},
};
use pgrx::Uuid;
use sequin_domain::{
    collection::CollectionId,
    failure::{Failure, FailureClass},
    frequency::Frequency,
    rate_limit::RateLimit,
};
use sequin_net::{LaneId, Limits};
use sequin_provider::{
    catalogue,
    declaration::{CollectionRef, Declaration},
};
use std::{collections::HashMap, rc::Rc, sync::Arc};

/// A sync, as its jobs see it.
pub struct SyncContext {
    pub id: Uuid,
    pub stream_id: Uuid,
    pub credential_id: Uuid,
    pub declaration: Arc<Declaration>,
    pub frequency: Frequency,
    /// Why nothing can be asked, where the credential can't be used.
    pub target: std::result::Result<Target, Failure>,
    pub version: String,
}

impl SyncContext {
    /// Where the records of a collection go.
    pub fn place(&self, collection: &CollectionRef) -> Place {
        Place {
            stream_id: self.stream_id,
            sync_id: self.id,
            provider: self.declaration.provider.clone(),
            collection_id: collection.id().as_str().to_owned(),
        }
    }

    /// Whether new objects of the collection are looked for from the newest one on.
    pub fn is_polled(&self, collection_id: &str) -> bool {
        self.collection(collection_id).is_some_and(|collection| collection.changes.poll.is_some())
    }

    /// The collection with this identifier.
    pub fn collection(&self, id: &str) -> Option<CollectionRef> {
        let id = CollectionId::in_provider(&self.declaration.provider, id)?;
        CollectionRef::new(&self.declaration, id.name())
    }
}

/// Everything that is to be done, as of one moment.
pub struct Plan {
    pub syncs: HashMap<Uuid, Rc<SyncContext>>,
    pub lanes: HashMap<LaneId, Limits>,
    pub collections: Vec<plan::Collection>,
    pub feeds: Vec<plan::Feed>,
    pub backfills: Vec<plan::Backfill>,
}

/// The lane of a credential: all that uses it shares one budget.
fn lane(credential: Uuid) -> LaneId {
    LaneId(u128::from_be_bytes(*credential.as_bytes()))
}

impl Plan {
    /// Reads the plan; within a transaction.
    pub fn read(settings: &Settings) -> Result<Self> {
        let mut syncs = HashMap::new();
        let mut budgets: HashMap<LaneId, RateLimit> = HashMap::new();
        let mut given: HashMap<LaneId, RateLimit> = HashMap::new();
        for row in plan::syncs()? {
            let Some(declaration) = catalogue::find(&row.provider) else {
                continue;
            };
            let lane = lane(row.credential_id);
            budgets.insert(lane, declaration.rate_limit.half());
            if let Some(limit) =
                row.rate_limit.as_ref().and_then(|limit| serde_json::from_value(limit.0.clone()).ok())
            {
                // What belongs to one credential shares the strictest of the budgets that were given.
                given.entry(lane).and_modify(|budget| *budget = budget.stricter(limit)).or_insert(limit);
            }
            let context = SyncContext {
                target: target(&row, declaration, settings, lane),
                id: row.id,
                stream_id: row.stream_id,
                credential_id: row.credential_id,
                declaration: declaration.clone(),
                frequency: row.frequency.parse().unwrap_or(Frequency::Continuous),
                version: format!("{} {settings:?}", row.version),
            };
            syncs.insert(row.id, Rc::new(context));
        }
        budgets.extend(given);
        let lanes = budgets.into_iter().map(|(lane, budget)| (lane, limits(budget))).collect();
        Ok(Self {
            syncs,
            lanes,
            collections: plan::collections()?,
            feeds: plan::feeds()?,
            backfills: plan::backfills()?,
        })
    }
}

fn limits(budget: RateLimit) -> Limits {
    Limits {
        allowed_requests: budget.allowed_requests,
        interval: budget.window(),
        max_concurrent: budget.max_concurrent_requests,
    }
}

fn target(
    row: &plan::Sync,
    declaration: &Declaration,
    settings: &Settings,
    lane: LaneId,
) -> std::result::Result<Target, Failure> {
    let unusable = |problem: String| Failure::new(FailureClass::Credential, problem);
    let setting = |name: &str| row.credential_settings.0.get(name).and_then(|value| value.as_str());
    let secrets = Key::load()
        .and_then(|key| key.open(row.credential_id.as_bytes(), &row.credential, &row.sealed))
        .map_err(|problem| {
            unusable(match problem.detail() {
                Some(detail) => format!("{}: {detail}", problem.message()),
                None => problem.message().to_owned(),
            })
        })?;
    let kind = setting("kind").and_then(|kind| declaration.authentication(kind));
    let kind =
        kind.ok_or_else(|| unusable("the credential is of a kind that the provider no longer has".into()))?;
    let headers = kind.headers(&secrets).map_err(|problem| unusable(problem.to_string()))?;
    let base = setting("base_url").unwrap_or(&declaration.base_url);
    let base = base.parse().map_err(|_| unusable(format!("its base_url {base:?} is no URL")))?;
    Target::new(lane, base, settings.request_timeout, declaration, headers)
}
