//! The thin layer over PostgreSQL: the only place with `unsafe`.

pub mod advisory;
pub mod call;
pub mod command;
pub mod database;
pub mod document;
pub mod extension;
mod jsonb;
pub mod process;
mod record_json;
pub mod role;
pub mod sequence;
pub mod setting;
pub mod shared;
pub mod statement;
pub mod transaction;
pub mod utility_hook;
pub mod wait;
