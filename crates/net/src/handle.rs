//! The main thread's end.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::client::Client;
use crate::clock::Clock;
use crate::dispatcher::{Command, Dispatcher};
use crate::error::{Dead, Refusal, Rejected, StartError};
use crate::gauge::{Gauge, LaneState};
use crate::outbox::{Outbox, Report};
use crate::settings::{Limits, Rate, Settings};
use crate::task::{Completion, Interpretation, LaneId, Priority, Task};
use crate::thread;

/// How many names may be resolved at one time. The system's resolver blocks, so each takes a
/// thread for as long as it lasts.
const RESOLVER_THREADS: usize = 16;

/// The network thread, as its owner holds it. No method waits for the network.
///
/// Dropping it stops the thread without waiting for it; see also [`Net::shutdown`].
pub struct Net<T> {
    commands: UnboundedSender<Command<T>>,
    reports: Receiver<Report<T>>,
    book: RefCell<Book>,
    clock: Clock,
    /// Ends when the thread has done its last work.
    ended: Receiver<()>,
}

/// The tasks under way. It is kept on this side, so that a task refused costs no message, and a
/// task cancelled is silent from that moment on.
struct Book {
    capacity: usize,
    lanes: HashMap<LaneId, Arc<Gauge>>,
    tasks: HashMap<u64, Entry>,
    under_way: HashMap<(LaneId, Priority), usize>,
}

struct Entry {
    lane: LaneId,
    priority: Priority,
    cancelled: bool,
}

impl<T: Interpretation> Net<T> {
    /// Starts the thread.
    ///
    /// `wake` is called on that thread after something has been queued for [`Net::try_recv`], and
    /// when the thread ends; it must not block (write a byte into a non-blocking pipe, say). Call
    /// this after the last fork: threads don't survive one.
    ///
    /// # Errors
    /// If the settings are not valid, or the system gives no thread or event loop.
    pub fn start(settings: Settings, wake: impl Fn() + Send + 'static) -> Result<Self, StartError> {
        let clock = Clock::default();
        let client = Client::new(&settings, clock.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(RESOLVER_THREADS)
            .thread_name("sequin-dns")
            .build()
            .map_err(StartError::Runtime)?;
        let (commands, inbox) = unbounded_channel();
        let (outbox, reports) = Outbox::new(wake);
        let (at_end, ended) = channel::<()>();
        let dispatcher = Dispatcher::new(client, inbox, outbox);

        thread::spawn("sequin-net", move || {
            // The first local is the last to be dropped.
            let _at_end = at_end;
            // A panic has been printed by its hook, and dropping the dispatcher has told the main
            // thread. What is left to do is the same either way.
            let _ = catch_unwind(AssertUnwindSafe(|| runtime.block_on(dispatcher.run())));
            // Dropping the runtime would wait for name resolution, which can take minutes.
            runtime.shutdown_background();
        })
        .map_err(StartError::Thread)?;

        let book = RefCell::new(Book {
            capacity: settings.queue_capacity,
            lanes: HashMap::new(),
            tasks: HashMap::new(),
            under_way: HashMap::new(),
        });
        Ok(Net { commands, reports, book, clock, ended })
    }

    /// Opens a lane, or changes its limits; `None` is no limit but the queue's. New limits count
    /// what was sent under the old ones, and the same limits again change nothing. Where there were
    /// none, the first request waits for `interval / allowed_requests`: another process may have
    /// sent one just before.
    pub fn set_lane(&self, lane: LaneId, limits: Option<Limits>) {
        let gauge = Arc::clone(self.book.borrow_mut().lanes.entry(lane).or_default());
        self.command(Command::SetLane(lane, limits, gauge));
    }

    /// Gives an open lane further budgets, in place of those that it has: a task counts against those
    /// that it names. What was sent before counts, as with [`Net::set_lane`].
    pub fn set_budgets(&self, lane: LaneId, rates: Vec<Rate>) {
        self.command(Command::SetBudgets(lane, rates));
    }

    /// Silences a lane for `pause` from now on, as an answer can do. A pause that ends later stays in
    /// force.
    pub fn pause_lane(&self, lane: LaneId, pause: Duration) {
        self.command(Command::PauseLane(lane, pause));
    }

    /// Closes a lane. Its queued tasks are dropped without a completion; requests in flight come
    /// to their end and are delivered. The lane's pace and pause are forgotten with it: to change
    /// limits, call [`Net::set_lane`] alone.
    pub fn remove_lane(&self, lane: LaneId) {
        if self.book.borrow_mut().lanes.remove(&lane).is_some() {
            self.command(Command::RemoveLane(lane));
        }
    }

    /// Puts new settings in force for all that is sent from now on. Connections start anew.
    ///
    /// # Errors
    /// If they are not valid; then the old ones stay in force.
    pub fn update(&self, settings: Settings) -> Result<(), StartError> {
        let client = Client::new(&settings, self.clock.clone())?;
        self.book.borrow_mut().capacity = settings.queue_capacity;
        self.command(Command::Use(client));
        Ok(())
    }

    /// Queues a task. Never blocks.
    ///
    /// # Errors
    /// Gives the task back if it can't be taken now; see [`Refusal`].
    pub fn try_submit(&self, task: Task<T>) -> Result<(), Rejected<T>> {
        let task = Box::new(task);
        let mut book = self.book.borrow_mut();
        if let Some(reason) = book.objection(&task) {
            return Err(Rejected { reason, task });
        }
        let (id, lane, priority) = (task.id, task.lane, task.priority);
        match self.commands.send(Command::Submit(task)) {
            Ok(()) => {
                book.open(id, lane, priority);
                Ok(())
            }
            Err(unsent) => match unsent.0 {
                Command::Submit(task) => Err(Rejected { reason: Refusal::Dead, task }),
                _ => unreachable!("the command that comes back is the one that was sent"),
            },
        }
    }

    /// Cancels a task: drops it from the queue, or gives up its request, which the API may have
    /// received all the same. From now on no completion of it is delivered; until the thread has
    /// let go of it, it counts as under way.
    pub fn cancel(&self, id: u64) {
        if let Some(entry) = self.book.borrow_mut().tasks.get_mut(&id) {
            entry.cancelled = true;
            self.command(Command::Cancel(entry.lane, id));
        }
    }

    /// The next completion, if there is one. Never blocks.
    ///
    /// # Errors
    /// [`Dead`] when the thread has ended and all that it completed has been handed out.
    pub fn try_recv(&self) -> Result<Option<Completion<T>>, Dead> {
        loop {
            match self.reports.try_recv() {
                Ok(report) => {
                    if let Some(completion) = self.book.borrow_mut().close(report) {
                        return Ok(Some(completion));
                    }
                }
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => return Err(Dead),
            }
        }
    }

    /// The clock by which requests are sent.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How a lane stands; `None` if it isn't open. Never blocks.
    pub fn lane_state(&self, lane: LaneId) -> Option<LaneState> {
        self.book.borrow().lanes.get(&lane).map(|gauge| gauge.read())
    }

    /// Stops the thread, giving up all requests, and waits for its end for at most `grace`: only an
    /// interpretation that is running can make it take longer than a moment. A thread that isn't
    /// done by then is left to itself, and so is a name resolution.
    pub fn shutdown(&self, grace: Duration) {
        self.command(Command::Stop);
        // Nothing is ever sent: it ends with the thread, or the time is over.
        let _ = self.ended.recv_timeout(grace);
    }

    /// A thread that has ended hears nothing; `try_recv` says so.
    fn command(&self, command: Command<T>) {
        let _ = self.commands.send(command);
    }
}

impl Book {
    /// Why a task can't be taken.
    fn objection<T>(&self, task: &Task<T>) -> Option<Refusal> {
        let under_way = self.under_way.get(&(task.lane, task.priority)).copied().unwrap_or(0);
        if !self.lanes.contains_key(&task.lane) {
            Some(Refusal::UnknownLane)
        } else if self.tasks.contains_key(&task.id) {
            Some(Refusal::DuplicateId)
        } else if under_way >= self.capacity {
            Some(Refusal::Full)
        } else {
            None
        }
    }

    fn open(&mut self, id: u64, lane: LaneId, priority: Priority) {
        self.tasks.insert(id, Entry { lane, priority, cancelled: false });
        *self.under_way.entry((lane, priority)).or_default() += 1;
    }

    /// Strikes a task out, and returns its completion if somebody still wants it.
    fn close<T>(&mut self, report: Report<T>) -> Option<Completion<T>> {
        let (id, completion) = match report {
            Report::Done(completion) => (completion.id, Some(completion)),
            Report::Dropped(id) => (id, None),
        };
        let entry = self.tasks.remove(&id)?;
        let key = (entry.lane, entry.priority);
        if let Some(count) = self.under_way.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&key);
            }
        }
        completion.filter(|_| !entry.cancelled)
    }
}
