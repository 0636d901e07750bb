//! What sequin knows without a database or a network.
//!
//! Everything here is pure: no PostgreSQL, no I/O, and the clock and randomness are passed in.

pub mod census;
pub mod collection;
pub mod failure;
pub mod feed;
pub mod frequency;
pub mod guard;
pub mod mutation;
pub mod name;
pub mod observation;
pub mod ranges;
pub mod rate_limit;
pub mod schedule;
pub mod secret;
pub mod suggestion;
pub mod timestamp;
pub mod token;
