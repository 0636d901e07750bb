//! What goes in and what comes out.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::error::{Failure, Panicked};
use crate::memory::Room;

/// All that shares a rate limit: usually a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u128);

/// Which task of a lane goes first. The greater goes first; equals go in the order of submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// History: it can wait.
    Backfill,
    /// Live changes.
    Polling,
    /// Somebody's write: it goes before all else.
    Mutation,
}

impl Priority {
    /// How many there are.
    pub(crate) const COUNT: usize = 3;
}

/// A request. Secrets belong into headers that are marked sensitive. It has no `Debug` on purpose:
/// URL and body may hold secrets too.
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The whole URL, query included.
    pub url: Url,
    /// Headers beside the usual ones (`User-Agent`, `Accept`, `Accept-Encoding`).
    pub headers: HeaderMap,
    /// The body; its `Content-Type` is the caller's affair.
    pub body: Option<Bytes>,
    /// How long it may take from being sent to the last byte of the answer; so may each redirect.
    pub timeout: Duration,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    /// Where it came from: the URL that was asked, or where redirects have led from there.
    pub url: Url,
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers. Those that speak of a compression that has been undone are gone.
    pub headers: HeaderMap,
    /// The body, decompressed.
    pub body: Bytes,
    /// When the request was sent (not when it was queued), the last one where redirects were followed.
    pub sent_at: SystemTime,
    /// From being sent to the last byte.
    pub elapsed: Duration,
}

/// What the worker makes of an outcome.
pub trait Interpretation: Send + 'static {
    /// How long the whole lane must be silent, when the answer said so (a 429, `Retry-After`).
    /// More than a day counts as a day: then the lane asks again. Called on the network thread.
    fn pause(&self) -> Option<Duration>;

    /// Whether the API doesn't count the request against the lane's limits, as the answer has shown.
    /// Called on the network thread.
    fn is_free(&self) -> bool {
        false
    }

    /// What the answer says of the lane's points, where the API counts them. Called on the network
    /// thread.
    fn balance(&self) -> Option<Balance> {
        None
    }
}

/// The points of a lane's budget, as an API has told them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// What is left.
    pub available: f64,
    /// How much comes back each second; more than 0.
    pub per_second: f64,
    /// How much there is at most, where that is known.
    pub maximum: Option<f64>,
    /// What the request has cost, where that is known.
    pub spent: Option<f64>,
}

/// Turns an outcome into a value, on the network thread. It must not wait for anything.
pub type Interpret<T> = Box<dyn FnOnce(Result<Response, Failure>) -> T + Send>;

/// A request to be sent when its turn comes.
pub struct Task<T> {
    /// The caller's name for it; unique among those under way.
    pub id: u64,
    /// The lane that it goes through.
    pub lane: LaneId,
    /// Its place in the lane.
    pub priority: Priority,
    /// Which of the lane's further budgets it counts against, by their place; one that the lane
    /// doesn't have is none.
    pub budgets: Vec<usize>,
    /// How many points it may cost: as many are set aside for it. 0 where the API counts none.
    pub points: u32,
    /// What to send.
    pub request: Request,
    /// What to make of the outcome.
    pub interpret: Interpret<T>,
}

/// A task that has come to its end.
#[derive(Debug)]
pub struct Completion<T> {
    /// The task's id.
    pub id: u64,
    /// The task's lane.
    pub lane: LaneId,
    /// What `interpret` returned; an error if it panicked.
    pub value: Result<T, Panicked>,
    /// The room that a large answer takes, until this is dropped.
    pub room: Option<Room>,
}
