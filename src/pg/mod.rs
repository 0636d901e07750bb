//! The thin layer over PostgreSQL: the only place with `unsafe`.

pub mod database;
pub mod extension;
pub mod process;
pub mod shared;
pub mod transaction;
pub mod utility_hook;
pub mod wait;
