//! From the network thread to the main thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::task::Completion;

/// What the main thread learns of a task.
pub(crate) enum Report<T> {
    /// It has come to its end.
    Done(Completion<T>),
    /// It was cancelled, or its lane was removed while it was queued.
    Dropped(u64),
}

/// The sending end. The channel has no bound of its own: the tasks under way are bounded.
pub(crate) struct Outbox<T> {
    sender: Option<Sender<Report<T>>>,
    wake: Box<dyn Fn() + Send>,
}

impl<T> Outbox<T> {
    pub(crate) fn new(wake: impl Fn() + Send + 'static) -> (Self, Receiver<Report<T>>) {
        let (sender, receiver) = channel();
        (Outbox { sender: Some(sender), wake: Box::new(wake) }, receiver)
    }

    pub(crate) fn put(&self, report: Report<T>) {
        // Nobody receives any more: the main thread has let go, and this thread is about to end.
        if let Some(sender) = &self.sender
            && sender.send(report).is_ok()
        {
            (self.wake)();
        }
    }
}

impl<T> Drop for Outbox<T> {
    /// The last message is the end of the channel, and it wakes too: whatever ends this thread,
    /// the main thread learns of it at once.
    fn drop(&mut self) {
        self.sender = None;
        // While a panic of `wake` unwinds, a second one would abort the whole process.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.wake)()));
    }
}
