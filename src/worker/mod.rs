//! The background workers: a launcher for the cluster, and a worker for each database that has the extension.

mod apply;
mod engine;
mod feed;
mod job;
mod launcher;
mod main;
mod notifier;
mod plan;
mod refetch;
mod request;
mod retention;
mod roster;
mod walk;

pub use launcher::register;
