//! The network thread's only loop: obeys commands, sends what the lanes let go, reports the ends.

use std::any::Any;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::sleep_until;

use crate::client::{Client, Sent};
use crate::error::Panicked;
use crate::gauge::Gauge;
use crate::lane::{Lane, Next};
use crate::memory::Room;
use crate::outbox::{Outbox, Report};
use crate::settings::{Limits, Rate};
use crate::task::{Balance, Completion, Interpretation, LaneId, Task};

/// What the main thread asks for.
pub(crate) enum Command<T> {
    SetLane(LaneId, Option<Limits>, Arc<Gauge>),
    SetBudgets(LaneId, Vec<Rate>),
    PauseLane(LaneId, Duration),
    RemoveLane(LaneId),
    Submit(Box<Task<T>>),
    Cancel(LaneId, u64),
    Use(Client),
    Stop,
}

/// A task, and how many redirects it has followed.
struct Job<T> {
    task: Box<Task<T>>,
    followed: u8,
}

/// A lane and what the dispatcher knows of it.
struct Slot<T> {
    lane: Lane<Job<T>>,
    gauge: Arc<Gauge>,
    /// When it is to be looked at again; the same as in `Dispatcher::alarms`.
    alarm: Option<Instant>,
    /// It was removed, and stays only until its requests have come back.
    closing: bool,
}

/// A request under way.
struct Flight {
    id: u64,
    lane: LaneId,
    /// Which of those that the lane has sent it is.
    number: u64,
    abort: AbortHandle,
    /// How many points it may cost, and when it went.
    points: u32,
    sent: Instant,
    /// Nobody wants to know what comes of it.
    cancelled: bool,
}

/// What a request's own task returns.
enum Landed<T> {
    /// The value, what it asks of the lane, and the room that it takes.
    Done(T, Demand, Option<Room>),
    /// A redirect: the job waits for another turn.
    Again(Job<T>),
}

/// What an answer asks of its lane, and tells it.
struct Demand {
    pause: Option<Duration>,
    is_free: bool,
    balance: Option<Balance>,
}

pub(crate) struct Dispatcher<T> {
    client: Client,
    commands: UnboundedReceiver<Command<T>>,
    outbox: Outbox<T>,
    slots: HashMap<LaneId, Slot<T>>,
    alarms: BTreeSet<(Instant, LaneId)>,
    running: JoinSet<Landed<T>>,
    flights: HashMap<Id, Flight>,
    /// Lanes that have something to send, once there are fewer requests under way.
    crowded: VecDeque<LaneId>,
}

/// The most requests under way at one time, over all lanes: each has a socket, and the process shares its file
/// descriptors with the database.
const MAX_FLIGHTS: usize = 100;

impl<T: Interpretation> Dispatcher<T> {
    pub(crate) fn new(client: Client, commands: UnboundedReceiver<Command<T>>, outbox: Outbox<T>) -> Self {
        Dispatcher {
            client,
            commands,
            outbox,
            slots: HashMap::new(),
            alarms: BTreeSet::new(),
            running: JoinSet::new(),
            flights: HashMap::new(),
            crowded: VecDeque::new(),
        }
    }

    /// Runs until it is told to stop, or until the main thread has let go of its end. Requests
    /// under way are given up then.
    pub(crate) async fn run(mut self) {
        loop {
            let alarm = self.alarms.first().map(|&(at, _)| at);
            let rings = sleep_until(alarm.unwrap_or_else(Instant::now).into());
            tokio::select! {
                // In this order, so that a pause is in force before anything else is sent.
                biased;
                Some(end) = self.running.join_next_with_id() => self.land(end),
                command = self.commands.recv() => match command {
                    None | Some(Command::Stop) => return,
                    Some(command) => self.obey(command),
                },
                () = rings, if alarm.is_some() => self.ring(),
            }
        }
    }

    fn obey(&mut self, command: Command<T>) {
        match command {
            Command::SetLane(id, limits, gauge) => {
                let slot = self.slots.entry(id).or_insert_with(|| Slot {
                    lane: Lane::new(),
                    gauge: Arc::clone(&gauge),
                    alarm: None,
                    closing: false,
                });
                slot.lane.set_limits(limits, Instant::now());
                slot.gauge = gauge;
                slot.closing = false;
                self.serve(id);
            }
            Command::SetBudgets(id, rates) => {
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.lane.set_budgets(&rates, Instant::now());
                    self.serve(id);
                }
            }
            Command::PauseLane(id, pause) => {
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.lane.pause(Instant::now(), pause);
                    self.serve(id);
                }
            }
            Command::RemoveLane(id) => {
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.closing = true;
                    for job in slot.lane.drain() {
                        self.outbox.put(Report::Dropped(job.task.id));
                    }
                    self.serve(id);
                }
            }
            Command::Submit(task) => match self.slots.get_mut(&task.lane) {
                Some(slot) => {
                    let lane = task.lane;
                    slot.lane.push(task.priority, task.points, Job { task, followed: 0 });
                    self.serve(lane);
                }
                None => self.outbox.put(Report::Dropped(task.id)),
            },
            Command::Cancel(lane, id) => {
                let queued =
                    self.slots.get_mut(&lane).and_then(|slot| slot.lane.take(|job| job.task.id == id));
                if queued.is_some() {
                    self.outbox.put(Report::Dropped(id));
                    self.serve(lane);
                } else if let Some(flight) = self.flights.values_mut().find(|flight| flight.id == id) {
                    flight.cancelled = true;
                    // Its end is reported when it has let go of its connection.
                    flight.abort.abort();
                }
            }
            Command::Use(client) => self.client = client,
            Command::Stop => {}
        }
    }

    /// Serves the lanes whose time has come.
    fn ring(&mut self) {
        let now = Instant::now();
        while let Some(&(at, id)) = self.alarms.first()
            && at <= now
        {
            self.alarms.pop_first();
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.alarm = None;
            }
            self.serve(id);
        }
    }

    /// Sends what the lane lets go, and sets its alarm for the rest.
    fn serve(&mut self, id: LaneId) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        let alarm = loop {
            if self.flights.len() >= MAX_FLIGHTS {
                if !self.crowded.contains(&id) {
                    self.crowded.push_back(id);
                }
                break None;
            }
            match slot.lane.next(Instant::now(), |job| job.task.budgets.as_slice()) {
                Next::Send(job) => {
                    let number = slot.lane.last_sent();
                    let flight = launch(&mut self.running, &self.client, job, number);
                    self.flights.insert(flight.abort.id(), flight);
                }
                Next::At(at) => break Some(at),
                Next::Wait => break None,
            }
        };
        if slot.alarm != alarm {
            if let Some(old) = slot.alarm {
                self.alarms.remove(&(old, id));
            }
            if let Some(new) = alarm {
                self.alarms.insert((new, id));
            }
            slot.alarm = alarm;
        }
        let lane = &slot.lane;
        slot.gauge.show(lane.paused_until(), lane.queued(), lane.in_flight());
        if slot.closing && lane.in_flight() == 0 {
            // Its queue is empty, so it has no alarm either.
            self.slots.remove(&id);
        }
    }

    /// A request's task has ended: by itself, by being aborted, or by a panic.
    fn land(&mut self, end: Result<(Id, Landed<T>), JoinError>) {
        let key = match &end {
            Ok((key, _)) => *key,
            Err(error) => error.id(),
        };
        let Some(Flight { id, lane, number, points, sent, cancelled, .. }) = self.flights.remove(&key) else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(&lane) {
            let now = Instant::now();
            let demand = match &end {
                Ok((_, Landed::Done(_, demand, _))) => Some(demand),
                _ => None,
            };
            slot.lane.finish(number, demand.is_some_and(|demand| demand.is_free));
            slot.lane.settle(points, sent, demand.and_then(|demand| demand.balance), now);
            if let Some(pause) = demand.and_then(|demand| demand.pause) {
                slot.lane.pause(now, pause);
            }
        }
        let report = match end {
            Ok((_, Landed::Done(value, _, room))) => {
                Some(Report::Done(Completion { id, lane, value: Ok(value), room }))
            }
            Ok((_, Landed::Again(job))) => match self.slots.get_mut(&lane) {
                Some(slot) if !slot.closing && !cancelled => {
                    slot.lane.push_first(job.task.priority, job.task.points, job);
                    None
                }
                _ => Some(Report::Dropped(id)),
            },
            Err(error) if error.is_panic() => {
                let message = message(error.into_panic().as_ref());
                Some(Report::Done(Completion { id, lane, value: Err(Panicked { message }), room: None }))
            }
            Err(_) => Some(Report::Dropped(id)),
        };
        if let Some(report) = report {
            self.outbox.put(report);
        }
        self.serve(lane);
        while self.flights.len() < MAX_FLIGHTS
            && let Some(next) = self.crowded.pop_front()
        {
            self.serve(next);
        }
    }
}

fn launch<T: Interpretation>(
    running: &mut JoinSet<Landed<T>>,
    client: &Client,
    job: Job<T>,
    number: u64,
) -> Flight {
    let Job { mut task, followed } = job;
    let (id, lane, points) = (task.id, task.lane, task.points);
    let client = client.clone();
    let abort = running.spawn(async move {
        let (sent, room) = client.send(&task.request, followed).await;
        match sent {
            Sent::Complete(outcome) => {
                let value = (task.interpret)(outcome);
                let (pause, is_free) = (value.pause(), value.is_free());
                let demand = Demand { pause, is_free, balance: value.balance() };
                Landed::Done(value, demand, room)
            }
            Sent::Redirected(url) => {
                task.request.url = url;
                Landed::Again(Job { task, followed: followed + 1 })
            }
        }
    });
    Flight { id, lane, number, abort, points, sent: Instant::now(), cancelled: false }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without words".to_owned()
    }
}
