//! HTTP for sequin: requests go out on a thread of their own, within the rate limit of each lane.
//!
//! The crate knows neither PostgreSQL nor any API. The worker's main thread, which must never
//! block, hands over a [`Task`]: a request, and a closure that turns its outcome into a value of
//! the worker's own type `T`. The closure runs on the network thread too, so that parsing doesn't
//! keep the main thread busy. The value comes back as a [`Completion`].
//!
//! ```text
//!  main thread                         network thread
//!  Net::try_submit ── commands ──────▶ dispatcher ── a Lane each: queue, pace, pause
//!  Net::try_recv   ◀─ reports, wake ──     └─ a tokio task a request: client, then interpret
//! ```
//!
//! # Bounds
//! A task counts from `try_submit` until its completion has been taken with `try_recv`. Of each
//! lane and priority at most [`Settings::queue_capacity`] tasks count at one time; the next is
//! refused. So neither direction can grow without bound, one lane can't take another's room, and
//! a mutation is never refused because backfills fill the queue.
//!
//! Bodies are bounded one by one ([`Settings::max_response_bytes`]), and those larger than usual
//! together ([`Settings::max_memory`]): a large answer waits, half read, until there is room. It has
//! its [`Room`] until the completion's owner drops that.
//!
//! # The rate
//! A lane lets requests go evenly spaced, so that in *any* window as long as
//! [`Limits::interval`] no more than [`Limits::allowed_requests`] are sent. A request counts when it
//! is handed to the client. Connections are reused, so it reaches the API a network trip later; a
//! new connection delays it by a handshake, and only a delay longer than the slack (about 1.5 % of
//! the interval) could push two windows into each other at the API. Nothing is sent twice on the
//! client's own account.
//!
//! A lane that is opened doesn't know what was sent before, by a process that has ended: it sends
//! nothing for as long as lies between two requests, which is all it takes. For a limit of one
//! request an hour that is an hour.
//!
//! A lane can have further budgets ([`Net::set_budgets`]), which only some of its tasks count against. A
//! task whose budget is used up lets others pass. A permit is given back where the answer turns out to
//! have been free ([`Interpretation::is_free`]): from then on the lane goes on as if the request had
//! never been sent.
//!
//! A redirect within the origin is followed, and is a request like any other: the task goes back to the
//! head of its queue. One that leads elsewhere is a failure.
//!
//! A permit is taken before a task is chosen, and then the most urgent one gets it: a mutation
//! that arrives while backfills wait goes first.
//!
//! Where an API counts points, a task says how many it may cost. They are set aside until its answer
//! tells what it has cost and what is left; a task for which there are not enough waits, and all
//! behind it. Until an answer has told, tasks go one after another.
//!
//! # Panics
//! A panic while a response is being interpreted costs that response only: its completion carries
//! [`Panicked`] in place of the value, so that nobody waits for it in vain. If the thread itself
//! ends, [`Net::try_recv`] first hands out what was completed and then says [`Dead`].

#![deny(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod client;
mod clock;
mod dispatcher;
mod error;
mod gauge;
mod handle;
mod lane;
mod memory;
mod outbox;
mod pace;
mod points;
mod proxy;
mod redirect;
mod settings;
mod task;
mod thread;
mod tls;

pub use client::check_url;
pub use clock::Clock;
pub use error::{Dead, Failure, Panicked, Refusal, Rejected, StartError, TransportError, Unusable};
pub use gauge::LaneState;
pub use handle::Net;
pub use memory::Room;
pub use proxy::ProxyUrl;
pub use settings::{Limits, Rate, Settings};
pub use task::{Balance, Completion, Interpret, Interpretation, LaneId, Priority, Request, Response, Task};
