//! The names of what users make.

use crate::error::{Result, invalid, required};
use pgrx::prelude::*;
use sequin_domain::name;

/// The name of something that is made.
pub fn new_name<'a>(kind: &str, given: Option<&'a str>) -> Result<&'a str> {
    let given = required("name", given)?;
    name::check(given).map_err(|problem| {
        invalid(format!("invalid name of a {kind}"))
            .set_detail(format!("{problem}: {:?}.", given.chars().take(50).collect::<String>()))
            .set_hint("Use letters, digits, and what else can be read back.")
    })?;
    Ok(given)
}

/// Refuses what can't be a name, for the functions that are written in SQL.
#[pg_extern(name = "_check_name", immutable, parallel_safe)]
fn check_name(kind: &str, name: Option<&str>) -> Result<()> {
    new_name(kind, name).map(drop)
}
