//! The engine of a worker: it keeps the jobs going, between the API's answers and the database.
//!
//! Everything that matters is in the database: whenever something goes wrong there, the jobs are dropped and made anew
//! from what is stored.

use super::{
    apply,
    credential::Access,
    job::{Batch, Done, Orders, Tag, Then, Work},
    keeper::{Keeper, Means, Step},
    leases::Leases,
    mutate::Mutate,
    network,
    notifier::Notifier,
    plan::{Expansions, Plan, SyncContext, lane},
    request::Answered,
    roster::{self, Job, Role},
    watch::Watch,
};
use crate::{
    pg::{
        extension,
        shared::{SealedWith, Slot},
        transaction::{SqlError, transaction},
        wait::Bell,
    },
    secret,
    settings::Settings,
    store::{checks, credentials, mutations, tokens},
};
use pgrx::Uuid;
use pgrx::prelude::*;
use sequin_domain::{
    failure::{Failure, FailureClass},
    observation::Observations,
    timestamp::Timestamp,
};
use sequin_net::{Completion, LaneId, Net, Priority, Refusal, Room};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque},
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

/// How many orders are done in one transaction, and with how many records another one is too much.
const WORKS_TOGETHER: usize = 16;
const RECORDS_TOGETHER: usize = 2000;
/// When to try again what the network thread had no room for.
const FULL_PAUSE: Duration = Duration::from_millis(50);
/// When to try again after the database could not do what it should, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What is stored can be that much newer than what workers have noted besides.
const NOTED_SELDOM: Duration = Duration::from_secs(60);
/// A pause that is no longer is over before another worker is there.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

type JobId = u64;

/// A question under way.
struct Open {
    job: JobId,
    tag: Tag,
    observes: Option<Observing>,
    asked_at: Instant,
}

/// A request whose answer will show objects of a collection.
struct Observing {
    collection: (Uuid, String),
    request: u64,
    begun: SystemTime,
    /// What a large answer takes, until it is stored.
    room: Option<Room>,
}

pub struct Engine {
    extension: pg_sys::Oid,
    settings: Settings,
    slot: &'static Slot,
    leases: Leases,
    expansions: Expansions,
    bell: Bell,
    net: Rc<Net<Answered>>,
    syncs: HashMap<Uuid, Rc<SyncContext>>,
    lanes: HashSet<LaneId>,
    jobs: BTreeMap<JobId, (Role, Job)>,
    roles: HashMap<Role, JobId>,
    /// The feeds of which it is known from where on they are read.
    listening: HashSet<(Uuid, String)>,
    open: HashMap<u64, Open>,
    works: VecDeque<(JobId, Rc<SyncContext>, Work, Option<Observing>)>,
    /// There may be answers that have come and were left for the next step.
    unreceived: bool,
    observations: HashMap<(Uuid, String), Observations>,
    /// Exports that walks wait for or read: each counts as a request that is under way until it is stored.
    exports: HashMap<JobId, Observing>,
    /// Requests that end exports which nobody waits for any more, and with which credential.
    farewells: HashMap<u64, Uuid>,
    alarms: BinaryHeap<Reverse<(Instant, JobId)>>,
    /// The one alarm of each job that counts; others of it in the heap have been overtaken.
    next_alarm: HashMap<JobId, Instant>,
    /// Credentials that the API does not accept: nothing is asked with them until then.
    barred: HashMap<Uuid, Instant>,
    notifier: Notifier,
    keeper: Keeper,
    watch: Watch,
    /// Credentials with which somebody wants to ask, and has to wait for a token.
    awaited: BTreeSet<Uuid>,
    /// Somebody may want a credential to be checked.
    has_been_asked: bool,
    /// There may be new mutations.
    is_called: bool,
    last_id: u64,
    plan_at: Option<Instant>,
    stumbles: u32,
}

impl Engine {
    /// An engine without jobs, and the network that it works with.
    pub fn start(
        extension: pg_sys::Oid,
        settings: Settings,
        slot: &'static Slot,
    ) -> Result<(Self, Rc<Net<Answered>>), String> {
        let (bell, ring) = Bell::new().map_err(|problem| problem.to_string())?;
        let net = Net::start(network::settings(&settings), ring).map_err(|problem| problem.to_string())?;
        let net = Rc::new(net);
        let engine = Self {
            extension,
            settings,
            slot,
            leases: Leases::default(),
            expansions: Expansions::default(),
            bell,
            net: net.clone(),
            syncs: HashMap::new(),
            lanes: HashSet::new(),
            jobs: BTreeMap::new(),
            roles: HashMap::new(),
            listening: HashSet::new(),
            open: HashMap::new(),
            works: VecDeque::new(),
            unreceived: false,
            observations: HashMap::new(),
            exports: HashMap::new(),
            farewells: HashMap::new(),
            alarms: BinaryHeap::new(),
            next_alarm: HashMap::new(),
            barred: HashMap::new(),
            notifier: Notifier::default(),
            keeper: Keeper::default(),
            watch: Watch::default(),
            awaited: BTreeSet::new(),
            has_been_asked: false,
            is_called: false,
            last_id: 0,
            plan_at: None,
            stumbles: 0,
        };
        Ok((engine, net))
    }

    /// The tables may ask for something else than before.
    pub fn plan_anew(&mut self) {
        self.plan_at = Some(Instant::now());
    }

    /// Somebody wants a credential to be checked.
    pub fn look_for_checks(&mut self) {
        self.has_been_asked = true;
        self.plan_anew();
    }

    /// There are new mutations, or some that wait for nothing any more.
    pub fn look_for_mutations(&mut self) {
        self.is_called = true;
    }

    /// The configuration was loaded: settings may have changed, and what secrets come from.
    pub fn reconfigure(&mut self, settings: Settings) {
        secret::read_anew();
        self.watch.look_anew();
        self.plan_anew();
        // The file may have changed under its name.
        if settings == self.settings && settings.ca_file.is_none() {
            return;
        }
        if let Err(problem) = self.net.update(network::settings(&settings)) {
            warning!("sequin keeps the settings of its network as they were: {problem}");
        }
        self.settings = settings;
    }

    /// Does what is to be done next; false once the extension is gone.
    ///
    /// Never more than one transaction, so that alarms, new plans and signals don't wait while a fast API keeps it busy.
    pub fn step(&mut self) -> bool {
        // An answer may be what has ended the wait, which nothing will say again: not every step gets to receiving it.
        self.unreceived = true;
        if self.plan_at.is_some_and(|at| at <= Instant::now()) {
            self.plan_at = None;
            match self.forgive().and_then(|()| self.read_plan()) {
                Ok(Some(plan)) => {
                    let excess = self.adopt(plan);
                    if let Err(problem) = self.release(&excess) {
                        self.stumble(&problem);
                    }
                }
                Ok(None) => return false,
                Err(problem) => self.stumble(&problem),
            }
        }
        if self.notifier.due().is_some_and(|at| at <= Instant::now()) {
            return self.notify().unwrap_or_else(|problem| {
                self.stumble(&problem);
                true
            });
        }
        if self.keeper.due().is_some_and(|at| at <= Instant::now()) {
            return self.keep_credentials().unwrap_or_else(|problem| {
                self.stumble(&problem);
                true
            });
        }
        if self.watch.due().is_some_and(|at| at <= Instant::now()) && self.watch.look() {
            self.plan_anew();
            return true;
        }
        if std::mem::take(&mut self.is_called) {
            return self.call_writers().unwrap_or_else(|problem| {
                self.stumble(&problem);
                true
            });
        }
        self.ring_alarms();
        self.receive();
        if self.works.is_empty() {
            return true;
        }
        match self.perform() {
            Ok(true) => self.stumbles = 0,
            Ok(false) => return false,
            Err(problem) => self.stumble(&problem),
        }
        true
    }

    /// Sleeps until there is something to do.
    pub fn wait(&self) {
        if !self.works.is_empty() || self.unreceived || self.is_called {
            self.bell.wait(Some(Duration::ZERO));
            return;
        }
        let alarm = self.alarms.peek().map(|Reverse((at, _))| *at);
        let own = [self.plan_at, self.notifier.due(), self.keeper.due(), self.watch.due()];
        let next = own.into_iter().flatten().chain(alarm).min();
        self.bell.wait(next.map(|at| at.saturating_duration_since(Instant::now())));
    }

    fn is_alive(&self) -> bool {
        extension::oid() == Some(self.extension)
    }

    /// Whether a worker has to be woken by each change of a stream; `None` where another one knows.
    pub fn is_watching(&self) -> Option<bool> {
        self.leases.notifies().then(|| !self.notifier.is_idle())
    }

    /// False where the extension is gone.
    fn notify(&mut self) -> Result<bool, SqlError> {
        let Self { extension, notifier, .. } = self;
        transaction(|| {
            let is_alive = extension::oid() == Some(*extension);
            if is_alive {
                notifier.notify()?;
            }
            Ok(is_alive)
        })
    }

    /// False where the extension is gone.
    fn keep_credentials(&mut self) -> Result<bool, SqlError> {
        let means = Means {
            extension: self.extension,
            settings: &self.settings,
            net: &self.net,
            last_id: &mut self.last_id,
        };
        let step = self.keeper.step(means)?;
        if step == Step::Changed {
            self.plan_anew();
        }
        Ok(step != Step::Gone)
    }

    /// Tells those jobs of new mutations that there are any for; false where the extension is gone.
    fn call_writers(&mut self) -> Result<bool, SqlError> {
        let Self { extension, syncs, .. } = self;
        let waiting = transaction(|| {
            if extension::oid() != Some(*extension) {
                return Ok(None);
            }
            mutations::waiting(syncs.keys().copied().collect()).map(Some)
        })?;
        let Some(waiting) = waiting else { return Ok(false) };
        for sync_id in waiting {
            let role = Role::Mutate { sync: sync_id };
            let known = self.roles.get(&role).copied();
            let job = known.or_else(|| {
                let sync = self.syncs.get(&sync_id)?.clone();
                Some(self.add_job(role, Job::Mutate(Box::new(Mutate::new(sync)))))
            });
            let Some(id) = job else { continue };
            if let Some((_, Job::Mutate(mutate))) = self.jobs.get_mut(&id) {
                mutate.look();
            }
            self.drive(id);
        }
        Ok(true)
    }

    /// What failed because of a secret that is another one by now is tried again at once.
    fn forgive(&mut self) -> Result<(), SqlError> {
        let changed = self.watch.take_changed();
        if changed.is_empty() {
            return Ok(());
        }
        let Self { extension, keeper, .. } = self;
        transaction(|| {
            if extension::oid() == Some(*extension) {
                for credential in &changed {
                    credentials::forget_failures(*credential)?;
                    // A token that is on its way may have cost the old one.
                    if !keeper.is_busy(credential) {
                        tokens::renew(*credential)?;
                    }
                }
            }
            Ok(())
        })?;
        for credential in &changed {
            self.barred.remove(credential);
        }
        Ok(())
    }

    /// `None` where the extension is gone.
    fn read_plan(&mut self) -> Result<Option<Plan>, SqlError> {
        let Self { extension, settings, leases, expansions, slot, keeper, has_been_asked, .. } = self;
        let plan = transaction(|| {
            if extension::oid() != Some(*extension) {
                return Ok(None);
            }
            if *has_been_asked {
                keeper.ask(checks::wanted()?);
            }
            let workers = slot.all_workers().count();
            Plan::read(settings, leases, expansions, workers, keeper.asked()).map(Some)
        })?;
        self.has_been_asked = false;
        Ok(plan)
    }

    /// Lets other workers have credentials, of which nothing is under way any more.
    fn release(&mut self, credentials: &BTreeSet<Uuid>) -> Result<(), SqlError> {
        if !credentials.is_empty() {
            transaction(|| self.leases.release(credentials))?;
            self.slot.wake_all();
        }
        Ok(())
    }

    /// Brings the jobs into step with the plan. Those of syncs that are as they were go on. Returns the credentials that
    /// other workers are to have.
    fn adopt(&mut self, mut plan: Plan) -> BTreeSet<Uuid> {
        self.keep_time(plan.last_noted);
        for (id, lane) in &plan.lanes {
            self.net.set_lane(*id, Some(lane.limits));
            self.net.set_budgets(*id, lane.further.clone());
            if let Some(pause) = lane.pause {
                self.net.pause_lane(*id, pause);
            }
        }
        let mut syncs = std::mem::take(&mut plan.syncs);
        let unfinished: HashSet<Uuid> = plan.backfills.iter().map(|backfill| backfill.id).collect();
        for (id, old) in self.syncs.drain() {
            match syncs.get_mut(&id) {
                Some(new) if new.version == old.version => {
                    old.take_newer(new);
                    *new = old;
                }
                _ => {
                    self.barred.remove(&old.credential_id);
                }
            }
        }
        self.syncs = syncs;
        self.keeper.adopt(&plan.credentials);
        self.watch.adopt(&plan.credentials);
        self.slot.set_sealed_with(sealed_with(&plan.keys));
        self.notifier.adopt(std::mem::take(&mut plan.listeners));
        let outdated = |role: &Role, job: &Job| {
            let current = self.syncs.get(&role.sync()).is_some_and(|sync| Rc::ptr_eq(sync, job.sync()));
            !current
                || job.is_described_otherwise()
                || matches!(role, Role::Backfill { id, .. } if !unfinished.contains(id))
        };
        let outdated: Vec<JobId> =
            self.jobs.iter().filter(|(_, (role, job))| outdated(role, job)).map(|(id, _)| *id).collect();
        for id in outdated {
            if !self.winds_up(id) {
                let is_over =
                    |role: &Role| matches!(role, Role::Backfill { id, .. } if !unfinished.contains(id));
                if self.jobs.get(&id).is_some_and(|(role, _)| is_over(role)) {
                    self.end_export(id);
                }
                self.drop_job(id);
            }
        }
        // A token that is on its way is not given up: the provider may have replaced the old one.
        let mut busy = self.keeper.busy_lanes();
        busy.extend(self.writing().into_iter().map(lane));
        busy.extend(self.farewells.values().copied().map(lane));
        for lane in self.lanes.drain().filter(|lane| !plan.lanes.contains_key(lane) && !busy.contains(lane)) {
            self.net.remove_lane(lane);
        }
        self.lanes = plan.lanes.keys().copied().chain(busy).collect();
        let missing = roster::missing(&plan, &self.syncs, |role| self.roles.contains_key(role));
        let ids: Vec<JobId> = missing.into_iter().map(|(role, job)| self.add_job(role, job)).collect();
        for id in ids {
            self.drive(id);
        }
        for credential in std::mem::take(&mut self.awaited) {
            self.drive_users(credential);
        }
        let mut busy = self.writing();
        busy.extend(self.farewells.values().copied());
        plan.excess.retain(|credential| !self.keeper.is_busy(credential) && !busy.contains(credential));
        plan.excess
    }

    /// Whether a job that the plan no longer asks for has to come to its end first, as a change that it has made would be
    /// of unknown outcome.
    fn winds_up(&mut self, id: JobId) -> bool {
        let Some((_, Job::Mutate(mutate))) = self.jobs.get_mut(&id) else { return false };
        let is_busy = mutate.wind_up();
        if is_busy {
            self.drive(id);
        }
        is_busy
    }

    /// Has the API end the export of a walk that nobody waits for any more. That it does is not made sure of: an export
    /// ends by itself as well.
    fn end_export(&mut self, id: JobId) {
        let Some((_, Job::Walk(walk))) = self.jobs.get(&id) else { return };
        let (farewell, sync) = (walk.farewell(), walk.sync().clone());
        let credential = sync.credential();
        let (Some(question), Access::Open(target)) = (farewell, &credential.access) else { return };
        let request = self.next_id();
        let task = question.into_task(request, Priority::Mutation, target);
        if task.is_ok_and(|task| self.net.try_submit(task).is_ok()) {
            self.farewells.insert(request, sync.credential_id);
        }
    }

    /// An export is as a request that was sent when it was asked for, and is answered when the last of it is stored.
    fn note_export(&mut self, id: JobId, sync: &SyncContext) {
        let Some((_, Job::Walk(walk))) = self.jobs.get(&id) else { return };
        let collection = (sync.id, walk.collection_id());
        let held = match walk.exported_at() {
            Some(begun) if self.exports.get(&id).is_some_and(|held| held.begun == begun) => return,
            None => self.exports.remove(&id),
            Some(begun) => {
                let request = self.next_id();
                self.observations.entry(collection.clone()).or_default().begin(request, begun);
                self.exports.insert(id, Observing { collection, request, begun, room: None })
            }
        };
        self.end_observing(held);
    }

    /// The credentials with which changes are under way.
    fn writing(&self) -> HashSet<Uuid> {
        let busy = self.jobs.values().filter_map(|(_, job)| match job {
            Job::Mutate(mutate) if mutate.is_busy() => Some(mutate.sync().credential_id),
            _ => None,
        });
        busy.collect()
    }

    /// There may be a token for those who have waited for one.
    fn drive_users(&mut self, credential: Uuid) {
        let uses = |job: &Job| job.sync().credential_id == credential;
        let users: Vec<JobId> =
            self.jobs.iter().filter(|(_, (_, job))| uses(job)).map(|(id, _)| *id).collect();
        for id in users {
            self.drive(id);
        }
    }

    /// Where the clock has been set back while no worker ran, time goes on from where it was: else what is seen from now
    /// on would be taken for older than what is stored.
    fn keep_time(&self, last_noted: Option<Timestamp>) {
        let now = Timestamp::from(SystemTime::now());
        if let Some(noted) = last_noted.filter(|noted| *noted > now) {
            self.net.clock().not_before(SystemTime::from(noted) + NOTED_SELDOM);
        }
    }

    fn add_job(&mut self, role: Role, job: Job) -> JobId {
        let id = self.next_id();
        if let (Job::Feed(feed), Role::Feed { sync, feed: name }) = (&job, &role)
            && feed.is_listening()
        {
            self.listening.insert((*sync, name.clone()));
        }
        self.roles.insert(role.clone(), id);
        self.jobs.insert(id, (role, job));
        id
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn drop_job(&mut self, id: JobId) {
        let Some((role, _)) = self.jobs.remove(&id) else { return };
        self.roles.remove(&role);
        self.next_alarm.remove(&id);
        let export = self.exports.remove(&id);
        self.end_observing(export);
        if let Role::Feed { sync, feed } = role {
            self.listening.remove(&(sync, feed));
        }
        let requests: Vec<u64> =
            self.open.iter().filter(|(_, open)| open.job == id).map(|(request, _)| *request).collect();
        for request in requests {
            self.net.cancel(request);
            if let Some(open) = self.open.remove(&request) {
                self.end_observing(open.observes);
            }
        }
        let works = std::mem::take(&mut self.works);
        let (dropped, kept): (VecDeque<_>, VecDeque<_>) = works.into_iter().partition(|(job, ..)| *job == id);
        self.works = kept;
        for (.., observes) in dropped {
            self.end_observing(observes);
        }
    }

    /// The database could not do what it should: everything starts anew from what is stored, after a pause.
    fn stumble(&mut self, problem: &SqlError) {
        log!("sequin's worker starts over: {problem}");
        for id in self.jobs.keys().copied().collect::<Vec<_>>() {
            self.drop_job(id);
        }
        self.observations.clear();
        self.alarms.clear();
        let pause = FIRST_PAUSE.saturating_mul(1 << self.stumbles.min(10)).min(LONGEST_PAUSE);
        self.stumbles += 1;
        self.plan_at = Some(Instant::now() + pause);
    }

    fn ring_alarms(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, id))) = self.alarms.peek().copied()
            && at <= now
        {
            self.alarms.pop();
            if self.next_alarm.get(&id) == Some(&at) {
                self.next_alarm.remove(&id);
                self.drive(id);
            }
        }
    }

    /// Has the job driven at `at`, or earlier where that is planned already: it will say then when to come back.
    fn set_alarm(&mut self, id: JobId, at: Instant) {
        if self.next_alarm.get(&id).is_none_or(|planned| at < *planned) {
            self.next_alarm.insert(id, at);
            self.alarms.push(Reverse((at, id)));
        }
    }

    /// Lets a job order what it needs next.
    fn drive(&mut self, id: JobId) {
        let now = Instant::now();
        let Some((_, job)) = self.jobs.get_mut(&id) else { return };
        let sync = job.sync().clone();
        if job.asks()
            && let Some(until) = self.barred.get(&sync.credential_id).copied().filter(|until| *until > now)
        {
            self.set_alarm(id, until);
            return;
        }
        if job.asks()
            && (matches!(sync.credential().access, Access::Waiting)
                || self.keeper.holds_up(&sync.credential_id))
        {
            self.awaited.insert(sync.credential_id);
            return;
        }
        if let Job::Walk(walk) = job
            && let Some(feed) = walk.needs_feed()
            && !self.listening.contains(&(sync.id, feed.to_owned()))
        {
            return;
        }
        let mut orders = Orders::default();
        match job {
            Job::Walk(walk) => walk.drive(now, &mut orders),
            Job::Feed(feed) => feed.drive(now, &mut orders),
            Job::Refetch(refetch) => refetch.drive(now, &mut orders),
            Job::Describe(describe) => describe.drive(now, &mut orders),
            Job::Retention(retention) => retention.drive(now, &mut orders),
            Job::Mutate(mutate) => mutate.drive(now, &mut orders),
            Job::Sweep(timer) if timer.due > now => orders.wake_at(timer.due),
            Job::Sweep(timer) if !timer.ordered => {
                timer.ordered = true;
                orders.work(Then::StartSweep { collection_id: timer.collection_id.clone() });
            }
            Job::Sweep(_) => {}
        }
        self.carry_out(id, &sync, orders, None);
    }

    /// Does what a job has ordered; `observes` belongs to the answer that it comes from.
    fn carry_out(
        &mut self,
        id: JobId,
        sync: &Rc<SyncContext>,
        orders: Orders,
        mut observes: Option<Observing>,
    ) {
        self.note_export(id, sync);
        let last = orders.works.iter().rposition(|work| work.batch.is_some());
        for (n, work) in orders.works.into_iter().enumerate() {
            let observes = if Some(n) == last { observes.take() } else { None };
            self.works.push_back((id, sync.clone(), work, observes));
        }
        self.end_observing(observes);
        if let Some(at) = orders.wake_at {
            self.set_alarm(id, at);
        }
        for ask in orders.asks {
            let request = self.next_id();
            let credential = sync.credential();
            let target = match &credential.access {
                Access::Open(target) if !self.keeper.holds_up(&sync.credential_id) => target,
                Access::Refused(failure) => {
                    self.fail(id, ask.tag, failure.clone());
                    continue;
                }
                Access::Open(_) | Access::Waiting => {
                    self.give_back(id, ask.tag);
                    self.awaited.insert(sync.credential_id);
                    continue;
                }
            };
            let task = match ask.question.into_task(request, ask.priority, target) {
                Ok(task) => task,
                Err(failure) => {
                    self.fail(id, ask.tag, failure);
                    continue;
                }
            };
            match self.net.try_submit(task) {
                Ok(()) => {
                    let observes = ask.shows.map(|collection| {
                        let collection = (sync.id, collection);
                        let begun = self.net.clock().now();
                        self.observations.entry(collection.clone()).or_default().begin(request, begun);
                        Observing { collection, request, begun, room: None }
                    });
                    let asked_at = Instant::now();
                    self.open.insert(request, Open { job: id, tag: ask.tag, observes, asked_at });
                }
                Err(rejected) if rejected.reason == Refusal::Full => {
                    self.give_back(id, ask.tag);
                    self.set_alarm(id, Instant::now() + FULL_PAUSE);
                }
                Err(rejected) => {
                    error!("the network of sequin's worker takes no request: {:?}", rejected.reason)
                }
            }
        }
    }

    fn end_observing(&mut self, observes: Option<Observing>) {
        let Some(Observing { collection, request, begun, room: _ }) = observes else {
            return;
        };
        if let Some(observations) = self.observations.get_mut(&collection) {
            observations.end(request, begun);
            if observations.is_idle() {
                self.observations.remove(&collection);
            }
        }
    }

    /// The question could not be asked now, and is to be asked again.
    fn give_back(&mut self, id: JobId, tag: Tag) {
        match self.jobs.get_mut(&id) {
            Some((_, Job::Walk(walk))) => walk.give_back(tag),
            Some((_, Job::Feed(feed))) => feed.give_back(tag),
            Some((_, Job::Refetch(refetch))) => refetch.give_back(tag),
            Some((_, Job::Describe(describe))) => describe.give_back(),
            Some((_, Job::Mutate(mutate))) => mutate.give_back(&tag),
            Some((_, Job::Retention(_) | Job::Sweep(_))) | None => {}
        }
    }

    fn fail(&mut self, id: JobId, tag: Tag, failure: Failure) {
        self.hand_over(id, tag, Answered::failed(SystemTime::now(), failure), None);
    }

    /// Takes the answers that have come.
    fn receive(&mut self) {
        // No more than are done together: between them there are answers to ask the next questions for.
        while self.works.len() < WORKS_TOGETHER {
            match self.net.try_recv() {
                Ok(Some(completion)) => self.take(completion),
                Ok(None) => {
                    self.unreceived = false;
                    return;
                }
                Err(dead) => error!("the network of sequin's worker has stopped: {dead}"),
            }
        }
    }

    fn take(&mut self, completion: Completion<Answered>) {
        let answered = completion.value.unwrap_or_else(|_| {
            let failure =
                Failure::new(FailureClass::Unknown, "a bug in sequin: reading the answer went wrong");
            Answered::lost(SystemTime::now(), failure)
        });
        if self.farewells.remove(&completion.id).is_some() {
            // Its lane may be needed no longer.
            self.plan_anew();
            return;
        }
        if self.keeper.expects(completion.id) {
            self.keeper.answered(completion.id, answered);
            return;
        }
        let Some(Open { job, tag, mut observes, asked_at }) = self.open.remove(&completion.id) else {
            return;
        };
        if let Some(observes) = &mut observes {
            observes.room = completion.room;
        }
        let credential = self.jobs.get(&job).map(|(_, job)| job.sync().credential_id);
        if is_refusal(&answered)
            && credential.is_some_and(|credential| self.keeper.blames_token(&credential, asked_at))
        {
            self.end_observing(observes);
            self.give_back(job, tag);
            self.drive(job);
            return;
        }
        self.hand_over(job, tag, answered, observes);
    }

    fn hand_over(&mut self, id: JobId, tag: Tag, answered: Answered, observes: Option<Observing>) {
        let Some((_, job)) = self.jobs.get_mut(&id) else {
            self.end_observing(observes);
            return;
        };
        let sync = job.sync().clone();
        let refused = is_refusal(&answered);
        let mut orders = Orders::default();
        if let Some(pause) = answered.pause.filter(|pause| *pause > SHORT_PAUSE) {
            orders.work(Then::Pause { until: SystemTime::now() + pause });
        }
        match job {
            Job::Walk(walk) => walk.answered(tag, answered, &mut orders),
            Job::Feed(feed) => feed.answered(tag, answered, &mut orders),
            Job::Refetch(refetch) => refetch.answered(tag, answered, &mut orders),
            Job::Describe(describe) => describe.answered(answered, &mut orders),
            Job::Mutate(mutate) => mutate.answered(&tag, answered, &mut orders),
            Job::Retention(_) | Job::Sweep(_) => {}
        }
        if refused {
            self.watch.look_soon();
        }
        if refused && let Some(until) = orders.wake_at {
            self.barred.insert(sync.credential_id, until);
        }
        self.carry_out(id, &sync, orders, observes);
        self.drive(id);
    }

    /// Does the first works in the database; false once the extension is gone.
    fn perform(&mut self) -> Result<bool, SqlError> {
        let first = self.works.front().map(|(_, sync, ..)| sync.stream_id);
        let mut records = 0;
        let together = self.works.iter().take_while(|(_, sync, work, _)| {
            let has_room = records < RECORDS_TOGETHER;
            records += work.batch.as_ref().map_or(0, |batch| batch.records.len());
            has_room && Some(sync.stream_id) == first
        });
        let count = together.take(WORKS_TOGETHER).count();
        for (_, _, work, _) in self.works.iter_mut().take(count) {
            if let Some(batch) = &mut work.batch {
                let key = (batch.place.sync_id, batch.place.collection_id.clone());
                if let Some(observations) = self.observations.get_mut(&key) {
                    let observed_at = batch.observed_at;
                    batch.records.retain(|record| observations.observe(&record.upstream_id, observed_at));
                    if let Then::Bury { tombstones, .. } = &mut work.then {
                        tombstones.retain(|(upstream_id, _)| observations.observe(upstream_id, observed_at));
                    }
                }
            }
        }
        let works: Vec<_> =
            self.works.iter().take(count).map(|(_, sync, work, _)| (sync.clone(), work)).collect();
        let results = match apply::perform(&works, &self.settings) {
            Ok(results) => results,
            Err(problem) => {
                // Where the extension is being dropped, its tables are gone before its workers know.
                if transaction(|| Ok(!self.is_alive()))? {
                    return Ok(false);
                }
                apply::record_failure(&works, &problem)?;
                return Err(problem);
            }
        };
        drop(works);
        let finished: Vec<_> = self.works.drain(..count).collect();
        for ((id, sync, work, observes), done) in finished.into_iter().zip(results) {
            self.end_observing(observes);
            if let Some(batch) = &work.batch {
                self.note_stored(&sync, batch);
            }
            self.follow_up(id, &sync, &work.then, done);
        }
        Ok(true)
    }

    /// What was stored may grow too old before anything that the sync's retention knows of.
    fn note_stored(&mut self, sync: &SyncContext, batch: &Batch) {
        if sync.max_age.is_some()
            && let Some(oldest) = batch.records.iter().filter_map(|record| record.created_at).min()
            && let Some(id) = self.roles.get(&Role::Retention { sync: sync.id }).copied()
            && let Some((_, Job::Retention(retention))) = self.jobs.get_mut(&id)
            && let Some(at) = retention.stored(oldest)
        {
            self.set_alarm(id, at);
        }
    }

    fn follow_up(&mut self, id: JobId, sync: &Rc<SyncContext>, then: &Then, done: Done) {
        let mut orders = Orders::default();
        if matches!(done, Done::Doubted) {
            self.plan_anew();
        }
        let is_gone = matches!(done, Done::Gone);
        let ended = match self.jobs.get_mut(&id) {
            Some((_, Job::Walk(walk))) => walk.done(then, done, &mut orders),
            Some((_, Job::Feed(feed))) => feed.done(then, done, &mut orders),
            Some((_, Job::Refetch(refetch))) => refetch.done(then, done),
            Some((_, Job::Describe(_))) => matches!(then, Then::Described { .. }),
            Some((_, Job::Mutate(mutate))) => mutate.done_with(then, done, &mut orders),
            Some((_, Job::Retention(retention))) => {
                retention.done(then, done);
                false
            }
            Some((_, Job::Sweep(_))) => true,
            None => return,
        };
        self.carry_out(id, sync, orders, None);
        if ended {
            if is_gone {
                self.end_export(id);
            }
            self.drop_job(id);
            if matches!(then, Then::Gap { .. }) {
                self.drop_backfills(sync.id);
            }
            self.plan_anew();
            return;
        }
        self.drive(id);
        if let Then::MoveFeed { feed, .. } = then
            && self.listening.insert((sync.id, feed.clone()))
        {
            self.drive_backfills(sync.id);
        }
    }

    fn backfills_of(&self, sync: Uuid) -> Vec<JobId> {
        let of_sync = |role: &Role| matches!(role, Role::Backfill { sync: of, .. } if *of == sync);
        self.jobs.iter().filter(|(_, (role, _))| of_sync(role)).map(|(id, _)| *id).collect()
    }

    /// After a gap in a feed the backfills start over, from what the tables say now.
    fn drop_backfills(&mut self, sync: Uuid) {
        for id in self.backfills_of(sync) {
            self.drop_job(id);
        }
    }

    /// A feed is listening: the backfills that have waited for it may start.
    fn drive_backfills(&mut self, sync: Uuid) {
        for id in self.backfills_of(sync) {
            self.drive(id);
        }
    }
}

fn is_refusal(answered: &Answered) -> bool {
    matches!(&answered.result, Err(failure) if failure.class == FailureClass::Credential)
}

fn sealed_with(keys: &[String]) -> SealedWith {
    match keys {
        [] => SealedWith::Nothing,
        [key] => secret::fingerprint(key).map_or(SealedWith::Unknown, SealedWith::One),
        _ => SealedWith::Several,
    }
}
