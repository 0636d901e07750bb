//! Declarations of APIs, and their pure interpretation: a request out, a response in.
//!
//! A [`declaration::Declaration`] says all there is to know about an API; the rest of this crate turns it and a
//! position into the next URL, and an [`answer::Answer`] into records and the next position. No I/O, no clock.

pub mod answer;
pub mod authentication;
pub mod authorization;
pub mod batch_write;
mod body;
pub mod catalogue;
pub mod declaration;
pub mod event;
pub mod export;
mod form;
mod graphql;
mod jwt;
pub mod kinds;
pub mod leap;
mod lines;
mod link;
pub mod listing;
pub mod look;
pub mod made;
pub mod moment;
pub mod object;
mod omit;
mod origin;
pub mod pages;
mod part;
pub mod pieces;
pub mod pointer;
pub mod position;
pub mod probe;
pub mod properties;
pub mod record;
pub mod refusal;
pub mod request;
mod table;
mod template;
mod together;
pub mod token;
pub mod unread;
pub mod value;
pub mod write;
