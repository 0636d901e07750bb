//! What the tables ask for, made ready to be worked on.

use super::{credential::CredentialContext, leases::Leases, request::Question};
use crate::{
    error::Result,
    settings::Settings,
    store::{
        discovered::{self, Discovered},
        keys, kinds,
        listeners::{self, Listener},
        mutations,
        pages::Place,
        plan, providers, rejected,
    },
};
use pgrx::Uuid;
use sequin_domain::{
    collection::CollectionId, frequency::Frequency, rate_limit::RateLimit, timestamp::Timestamp,
};
use sequin_net::{LaneId, Limits, Rate};
use sequin_provider::{
    declaration::{CollectionRef, Declaration, FurtherLimit, OptionValues},
    kinds::Kind,
    listing::Listing,
};
use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A sync, as its jobs see it.
pub struct SyncContext {
    pub id: Uuid,
    pub stream_id: Uuid,
    pub credential_id: Uuid,
    pub declaration: Arc<Declaration>,
    /// What it says of what it is to read.
    options: Arc<OptionValues>,
    /// What the API has told of its collections. Another one when it tells something else, while the jobs go on.
    described: RefCell<Rc<Descriptions>>,
    pub frequency: Frequency,
    /// What all that uses the credential may ask for.
    pub budget: RateLimit,
    /// Another one with each new token, while the jobs go on.
    credential: RefCell<Rc<CredentialContext>>,
    /// Changes with whatever the jobs of the sync depend on.
    pub version: String,
    /// Between two looks for changes: what the frequency says, but no more often than leaves half of the budget to
    /// everything else.
    pub poll_interval: Duration,
    /// For each request of a look: what leaves half of the budget to everything else.
    pub poll_share: Duration,
    /// Records that were created longer ago are removed; about so long, as months differ.
    pub max_age: Option<Duration>,
}

/// What an API has told of the objects of collections, by their identifier: the properties, and when; `None` where it is to
/// be asked again at once.
type Descriptions = HashMap<String, (Arc<[String]>, Option<Timestamp>)>;

impl SyncContext {
    /// Where its requests go, and with what.
    pub fn credential(&self) -> Rc<CredentialContext> {
        self.credential.borrow().clone()
    }

    /// Uses from now on what a newer plan has read.
    pub fn take_newer(&self, newer: &Self) {
        self.credential.replace(newer.credential());
        self.described.replace(newer.described.borrow().clone());
    }

    /// All of a collection.
    pub fn whole(&self, collection: &CollectionRef) -> Listing {
        let described = self.described.borrow();
        let properties = described
            .get(collection.id().as_str())
            .map(|(properties, _)| properties.clone())
            .unwrap_or_default();
        Listing { options: self.options.clone(), properties, ..Listing::whole(collection.clone()) }
    }

    /// The question for one object of a collection.
    pub fn object(&self, collection: &CollectionRef, upstream_id: &str) -> Question {
        let Listing { collection, properties, .. } = self.whole(collection);
        Question::Object { collection, properties, upstream_id: upstream_id.to_owned() }
    }

    /// Whether the API lists what has been deleted of a collection, as far as that depends on what its objects have.
    pub fn lists_deletes(&self, collection: &CollectionRef) -> bool {
        let property = collection.deleted.as_ref().and_then(|deleted| deleted.property.as_ref());
        property.is_none_or(|property| self.whole(collection).properties.contains(property))
    }

    /// Whether enough is known of a collection to read it.
    pub fn is_described(&self, collection: &CollectionRef) -> bool {
        collection.properties.is_none() || self.described.borrow().contains_key(collection.id().as_str())
    }

    /// When the API has told of a collection, where it need not be asked again at once.
    pub fn described_at(&self, collection_id: &str) -> Option<Timestamp> {
        self.described.borrow().get(collection_id)?.1
    }

    /// Where the records of a collection go.
    pub fn place(&self, collection: &CollectionRef) -> Place {
        Place {
            stream_id: self.stream_id,
            sync_id: self.id,
            provider: self.declaration.provider.clone(),
            collection_id: collection.id().as_str().to_owned(),
        }
    }

    /// Whether the collection is looked at from the newest object or change on.
    pub fn is_polled(&self, collection_id: &str) -> bool {
        self.collection(collection_id).is_some_and(|collection| collection.changes.poll.is_some())
    }

    /// The collection with this identifier.
    pub fn collection(&self, id: &str) -> Option<CollectionRef> {
        CollectionRef::of_id(&self.declaration, id)
    }
}

/// The providers, by name.
type Declarations = HashMap<String, Arc<Declaration>>;

/// What holds for all that uses a credential.
pub struct Lane {
    pub limits: Limits,
    /// What some of the requests keep to besides, as declared.
    pub further: Vec<Rate>,
    /// For how long the API has asked for silence.
    pub pause: Option<Duration>,
}

/// Everything that is to be done, as of one moment.
pub struct Plan {
    pub syncs: HashMap<Uuid, Rc<SyncContext>>,
    pub credentials: HashMap<Uuid, Rc<CredentialContext>>,
    pub lanes: HashMap<LaneId, Lane>,
    pub collections: Vec<plan::Collection>,
    pub feeds: Vec<plan::Feed>,
    pub backfills: Vec<plan::Backfill>,
    /// The collections with objects that were set aside and are to be fetched again.
    pub rejected: Vec<(Uuid, String)>,
    /// The syncs with any mutations.
    pub mutating: Vec<Uuid>,
    pub listeners: Vec<Listener>,
    /// When workers last noted anything.
    pub last_noted: Option<Timestamp>,
    /// With which keys anything in the database is sealed, by fingerprint.
    pub keys: Vec<String>,
    /// Credentials that other workers are to have.
    pub excess: BTreeSet<Uuid>,
}

/// The lane of a credential: all that uses it shares one budget.
pub fn lane(credential: Uuid) -> LaneId {
    LaneId(u128::from_be_bytes(*credential.as_bytes()))
}

impl Plan {
    /// Reads what this worker has to do, being one of `workers`; within a transaction. `asked`: credentials that somebody
    /// wants to be checked.
    pub fn read(
        settings: &Settings,
        leases: &mut Leases,
        expansions: &mut Expansions,
        workers: usize,
        asked: Vec<Uuid>,
    ) -> Result<Self> {
        let (mut rows, collections, feeds, mut credentials, declarations) = loop {
            let before = providers::versions()?;
            let (rows, collections, feeds) = (plan::syncs()?, plan::collections()?, plan::feeds()?);
            let (credentials, declarations) = (plan::credentials(asked.clone())?, providers::all()?);
            // Each statement has a snapshot of its own, and a declaration says where secrets go: those of one moment must
            // not meet that of another.
            if providers::versions()? == before {
                break (rows, collections, feeds, credentials, declarations);
            }
        };
        let excess = leases.take(&credentials.iter().map(|credential| credential.id).collect(), workers)?;
        let is_ours = |credential: &Uuid| leases.holds(credential) && !excess.contains(credential);
        rows.retain(|row| is_ours(&row.credential_id));
        credentials.retain(|credential| is_ours(&credential.id));
        let declarations: Declarations =
            declarations.into_iter().map(|declaration| (declaration.provider.clone(), declaration)).collect();
        let given = given_budgets(&rows, &declarations);
        let further = further_budgets(&credentials, &declarations, &given);
        let budgets = budgets(&credentials, &declarations, given);
        let pauses = pauses(&credentials);
        let credentials: HashMap<Uuid, Rc<CredentialContext>> = credentials
            .into_iter()
            .filter_map(|row| {
                let declaration = declarations.get(&row.provider)?;
                let (id, lane) = (row.id, lane(row.id));
                Some((id, Rc::new(CredentialContext::new(row, declaration, settings, lane))))
            })
            .collect();
        let discovered = discovered::known(rows.iter().map(|row| row.credential_id).collect())?;
        let kinds = kinds::in_use()?;
        let extended = expansions.of_syncs(&rows, &declarations, &kinds);
        let pollers = pollers(&rows, &extended, &collections, &feeds);
        let mut syncs = HashMap::new();
        for row in rows {
            let Some(declaration) = extended.get(&row.credential_id) else { continue };
            let lane = lane(row.credential_id);
            let Some((budget, credential)) = budgets.get(&lane).zip(credentials.get(&row.credential_id))
            else {
                continue;
            };
            let poll_share =
                budget.window() * 2 * *pollers.get(&lane).unwrap_or(&1) / budget.allowed_requests.get();
            let frequency = row.frequency.parse().unwrap_or(Frequency::Continuous);
            let poll_interval = frequency.interval(settings.poll_interval.max(poll_share));
            let mut ids: Vec<&str> = collections
                .iter()
                .filter(|collection| collection.sync_id == row.id)
                .map(|collection| collection.collection_id.as_str())
                .collect();
            ids.sort_unstable();
            let described = describe(&discovered, row.credential_id, &ids);
            let own_kinds = kinds_of(&kinds, row.credential_id, declaration, &ids);
            let context = SyncContext {
                credential: RefCell::new(credential.clone()),
                id: row.id,
                stream_id: row.stream_id,
                credential_id: row.credential_id,
                declaration: declaration.clone(),
                options: Arc::new(declaration.read_options(&row.options.0).unwrap_or_default()),
                frequency,
                budget: *budget,
                version: format!(
                    "{} {} {settings:?} {budget:?} {poll_interval:?} {ids:?} {own_kinds:?}",
                    row.version,
                    credential.version()
                ),
                described: RefCell::new(Rc::new(described)),
                poll_interval,
                poll_share,
                max_age: row.max_age,
            };
            syncs.insert(row.id, Rc::new(context));
        }
        let lanes = budgets
            .into_iter()
            .map(|(lane, budget)| {
                let pause = pauses.get(&lane).copied();
                let further = further.get(&lane).cloned().unwrap_or_default();
                (lane, Lane { limits: limits(budget), further, pause })
            })
            .collect();
        Ok(Self {
            syncs,
            credentials,
            lanes,
            collections,
            feeds,
            backfills: plan::backfills()?,
            rejected: rejected::collections()?,
            mutating: mutations::syncs()?,
            listeners: if leases.notifies() { listeners::all()? } else { Vec::new() },
            last_noted: plan::last_noted()?,
            keys: keys::ids()?,
            excess,
        })
    }
}

/// Declarations with the kinds of objects that the syncs of each credential bring, from one plan to the next: an account can
/// have thousands, each of which is a collection to be made.
#[derive(Default)]
pub struct Expansions(HashMap<Uuid, Expansion>);

struct Expansion {
    declaration: Arc<Declaration>,
    kinds: Vec<Kind>,
    /// The one with the others.
    whole: Arc<Declaration>,
}

impl Expansions {
    /// What is declared for the syncs of each credential. Makes anew what is another than in the plan before.
    fn of_syncs(
        &mut self,
        syncs: &[plan::Sync],
        declarations: &Declarations,
        kinds: &[(Uuid, Kind)],
    ) -> HashMap<Uuid, Arc<Declaration>> {
        let mut before = std::mem::take(&mut self.0);
        for sync in syncs {
            let Some(declaration) = declarations.get(&sync.provider) else { continue };
            let id = sync.credential_id;
            if self.0.contains_key(&id) {
                continue;
            }
            let own = kinds.iter().filter(|(credential, _)| *credential == id);
            let own: Vec<Kind> = own.map(|(_, kind)| kind.clone()).collect();
            let expansion = before.remove(&id).filter(|known| known.is_of(declaration, &own));
            self.0.insert(id, expansion.unwrap_or_else(|| Expansion::new(declaration.clone(), own)));
        }
        self.0.iter().map(|(id, expansion)| (*id, expansion.whole.clone())).collect()
    }
}

impl Expansion {
    fn new(declaration: Arc<Declaration>, kinds: Vec<Kind>) -> Self {
        let whole = match kinds.is_empty() {
            true => declaration.clone(),
            false => Arc::new(declaration.with_kinds(&kinds)),
        };
        Self { declaration, kinds, whole }
    }

    fn is_of(&self, declaration: &Arc<Declaration>, kinds: &[Kind]) -> bool {
        Arc::ptr_eq(&self.declaration, declaration) && self.kinds == kinds
    }
}

/// The kinds of objects among these collections of a credential, which are sorted.
fn kinds_of<'a>(
    kinds: &'a [(Uuid, Kind)],
    credential_id: Uuid,
    declaration: &Declaration,
    ids: &[&str],
) -> Vec<&'a Kind> {
    let id = |kind: &Kind| CollectionId::new(&declaration.provider, &kind.collection);
    let own = kinds.iter().filter(|(credential, _)| *credential == credential_id).map(|(_, kind)| kind);
    own.filter(|kind| ids.binary_search(&id(kind).as_str()).is_ok()).collect()
}

/// What is known of these collections with a credential; they are sorted.
fn describe(discovered: &[Discovered], credential_id: Uuid, ids: &[&str]) -> Descriptions {
    let is_own = |row: &&Discovered| {
        row.credential_id == credential_id && ids.binary_search(&row.collection_id.as_str()).is_ok()
    };
    let description =
        |row: &Discovered| (row.collection_id.clone(), (row.properties.as_slice().into(), row.discovered_at));
    discovered.iter().filter(is_own).map(description).collect()
}

/// The budget of each credential: what its syncs were given, or else half of what the API documents.
fn budgets(
    credentials: &[plan::Credential],
    declarations: &Declarations,
    given: HashMap<LaneId, RateLimit>,
) -> HashMap<LaneId, RateLimit> {
    let mut default: HashMap<LaneId, RateLimit> = credentials
        .iter()
        .filter_map(|row| {
            Some((lane(row.id), declarations.get(&row.provider)?.rate_limit.rate_limit().half()))
        })
        .collect();
    default.extend(given);
    default
}

/// The budgets that the API documents besides, in their order: half of each, unless a sync was given a budget. Then whoever
/// gave it has the rest of the quota in view, and one for all requests is no stricter than what was given.
fn further_budgets(
    credentials: &[plan::Credential],
    declarations: &Declarations,
    given: &HashMap<LaneId, RateLimit>,
) -> HashMap<LaneId, Vec<Rate>> {
    let of_credential = |row: &plan::Credential| {
        let (lane, declaration) = (lane(row.id), declarations.get(&row.provider)?);
        let budget = |further: &FurtherLimit| match (given.get(&lane), &further.path) {
            (None, _) => further.rate_limit().half(),
            (Some(_), Some(_)) => further.rate_limit(),
            (Some(given), None) => further.rate_limit().wider(*given),
        };
        let rate =
            |budget: RateLimit| Rate { allowed_requests: budget.allowed_requests, interval: budget.window() };
        let rates: Vec<Rate> = declaration.rate_limit.also.iter().map(budget).map(rate).collect();
        Some((lane, rates))
    };
    credentials.iter().filter_map(of_credential).collect()
}

/// The budgets that syncs were given, by what they share.
fn given_budgets(syncs: &[plan::Sync], declarations: &Declarations) -> HashMap<LaneId, RateLimit> {
    let mut given: HashMap<LaneId, RateLimit> = HashMap::new();
    for sync in syncs.iter().filter(|sync| declarations.contains_key(&sync.provider)) {
        let lane = lane(sync.credential_id);
        if let Some(limit) =
            sync.rate_limit.as_ref().and_then(|limit| serde_json::from_value(limit.0.clone()).ok())
        {
            // What belongs to one credential shares the strictest of the budgets that were given.
            given.entry(lane).and_modify(|budget| *budget = budget.stricter(limit)).or_insert(limit);
        }
    }
    given
}

/// For how long the API has asked those who use a credential for silence.
fn pauses(credentials: &[plan::Credential]) -> HashMap<LaneId, Duration> {
    let now = SystemTime::now();
    let left = |row: &plan::Credential| SystemTime::from(row.paused_until?).duration_since(now).ok();
    credentials.iter().filter_map(|row| Some((lane(row.id), left(row)?))).collect()
}

/// How many lists are looked at continuously with each credential.
fn pollers(
    syncs: &[plan::Sync],
    extended: &HashMap<Uuid, Arc<Declaration>>,
    collections: &[plan::Collection],
    feeds: &[plan::Feed],
) -> HashMap<LaneId, u32> {
    let mut count = HashMap::new();
    for sync in syncs.iter().filter(|sync| sync.frequency == Frequency::Continuous.to_string()) {
        let of_feeds = feeds.iter().filter(|feed| feed.sync_id == sync.id).count();
        let lists = |collection: &plan::Collection| {
            let declaration = extended.get(&sync.credential_id)?;
            let collection = CollectionRef::of_id(declaration, &collection.collection_id)
                .filter(|found| found.changes.poll.is_some())?;
            Some(1 + usize::from(collection.deleted.is_some()))
        };
        let of_collections: usize =
            collections.iter().filter(|collection| collection.sync_id == sync.id).filter_map(lists).sum();
        *count.entry(lane(sync.credential_id)).or_insert(0) +=
            u32::try_from(of_feeds + of_collections).unwrap_or(u32::MAX);
    }
    count
}

fn limits(budget: RateLimit) -> Limits {
    Limits {
        allowed_requests: budget.allowed_requests,
        interval: budget.window(),
        max_concurrent: budget.max_concurrent_requests,
    }
}
