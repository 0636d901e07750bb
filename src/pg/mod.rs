//! The thin layer over PostgreSQL: the only place with `unsafe`.

pub mod database;
pub mod extension;
mod jsonb;
pub mod process;
mod record_json;
pub mod shared;
pub mod transaction;
pub mod utility_hook;
pub mod wait;
