//! The background workers: a launcher for the cluster, and workers for each database that has the extension.

mod apply;
mod credential;
mod describe;
mod engine;
mod errand;
mod feed;
mod flight;
mod job;
mod keeper;
mod launcher;
mod leases;
mod main;
mod mutate;
mod network;
mod notifier;
mod outcome;
mod passed_over;
mod plan;
mod poll;
mod range;
mod refetch;
mod request;
mod retention;
mod roster;
mod walk;
mod watch;

pub use launcher::register;
