//! The functions that users call: check, call the store, return.

mod backfills;
pub mod catalogue;
mod consumers;
mod credentials;
mod guard;
mod keys;
mod mutations;
pub mod names;
mod oauth;
mod options;
mod providers;
mod rejected;
pub mod schedule;
mod streams;
mod syncs;
mod values;
pub mod waiting;

use crate::{
    error::{Result, invalid, required},
    pg::document::Document,
};
use pgrx::JsonB;
use serde_json::{Map, Value};

/// As much of a value as an error has room for.
fn shown(given: &str) -> String {
    given.chars().take(50).collect()
}

/// An argument that must be a JSON object.
fn object(argument: &str, value: Option<Document>) -> Result<Map<String, Value>> {
    match parse(argument, value)? {
        Value::Object(map) => Ok(map),
        other => Err(invalid(format!("{argument} must be a JSON object"))
            .set_detail(format!("It is {}: {:.80}.", kind_of(&other), other))
            .set_hint(format!("Write {argument} => '{{}}' for an empty one."))),
    }
}

/// The same for an argument that may hold a secret.
fn secret_object(argument: &str, value: Option<Document>) -> Result<Map<String, Value>> {
    match parse(argument, value)? {
        Value::Object(map) => Ok(map),
        other => Err(invalid(format!("{argument} must be a JSON object"))
            .set_detail(format!("It is {}.", kind_of(&other)))
            .set_hint(r#"Write it like {"kind": "api_key", "api_key": "…"}."#)),
    }
}

fn parse(argument: &str, value: Option<Document>) -> Result<Value> {
    required(argument, value)?.parse().map_err(|problem| {
        invalid(format!("{argument} can't be used"))
            .set_detail(format!("Its JSON can't be read: {problem}."))
            .set_hint("Nest it less deeply, and use numbers that a double precision can hold.")
    })
}

/// The kind of a value and never the value: it may be a secret.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What is stored as a JSON object.
fn into_object(value: JsonB) -> Map<String, Value> {
    match value.0 {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
