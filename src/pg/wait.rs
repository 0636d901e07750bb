//! Waiting for the latch and for the network thread at once.

use pgrx::prelude::*;
use std::{
    io::{self, Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    time::Duration,
};

/// A pipe through which another thread wakes this one: a thread must not touch the latch itself.
pub struct Bell {
    receiver: UnixStream,
}

impl Bell {
    /// The bell, and what rings it.
    pub fn new() -> io::Result<(Self, impl Fn() + Send + 'static)> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        sender.set_nonblocking(true)?;
        let ring = move || {
            // A full pipe has woken the receiver already.
            let _ = (&sender).write(&[1]);
        };
        Ok((Self { receiver }, ring))
    }

    fn silence(&self) {
        let mut rings = [0; 256];
        while matches!((&self.receiver).read(&mut rings), Ok(n) if n > 0) {}
    }

    /// Sleeps until it rings, the latch is set, or `timeout` is over; for ever without one.
    ///
    /// Does not return where the process has been told to end.
    pub fn wait(&self, timeout: Option<Duration>) {
        let mut events = pg_sys::WL_LATCH_SET | pg_sys::WL_SOCKET_READABLE | pg_sys::WL_EXIT_ON_PM_DEATH;
        if timeout.is_some() {
            events |= pg_sys::WL_TIMEOUT;
        }
        // SAFETY: this is the process's own latch, and the socket lives as long as self.
        unsafe {
            pg_sys::WaitLatchOrSocket(
                pg_sys::MyLatch,
                events as i32,
                self.receiver.as_raw_fd(),
                timeout.map_or(0, millis),
                pg_sys::PG_WAIT_EXTENSION,
            );
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
        pgrx::check_for_interrupts!();
        self.silence();
    }
}

/// Sleeps until there is something to read, or the other end is closed; false where the latch was set before, or
/// `timeout` is over.
///
/// Does not return where the process has been told to end.
pub fn readable(source: &impl AsRawFd, timeout: Duration) -> bool {
    let events =
        pg_sys::WL_LATCH_SET | pg_sys::WL_SOCKET_READABLE | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: this is the process's own latch, and the source is open as long as it is borrowed.
    let happened = unsafe {
        let happened = pg_sys::WaitLatchOrSocket(
            pg_sys::MyLatch,
            events as i32,
            source.as_raw_fd(),
            millis(timeout),
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
        happened
    };
    pgrx::check_for_interrupts!();
    happened & pg_sys::WL_SOCKET_READABLE as i32 != 0
}

/// Has whoever waits for the latch next look at once: what it was set for meanwhile has not been looked at.
pub fn set_latch() {
    // SAFETY: this is the process's own latch.
    unsafe { pg_sys::SetLatch(pg_sys::MyLatch) };
}

/// A timeout as PostgreSQL takes it.
fn millis(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i64::MAX).min(i64::from(i32::MAX))
}

/// Sleeps until the latch is set or `timeout` is over.
///
/// Does not return where the process has been told to end.
pub fn latch(timeout: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: this is the process's own latch.
    unsafe {
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, millis(timeout), pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    pgrx::check_for_interrupts!();
}
