//! Every statement of the extension, from named files under `sql/store`, with typed calls around them.

pub mod backfills;
pub mod checks;
pub mod consumers;
pub mod credentials;
pub mod discovered;
pub mod history;
pub mod keys;
pub mod kinds;
pub mod leases;
pub mod listeners;
pub mod mutations;
pub mod oauth;
pub mod pages;
pub mod plan;
pub mod progress;
pub mod providers;
pub mod rejected;
pub mod retention;
pub mod streams;
pub mod syncs;
pub mod tokens;

use crate::error::{Result, error};
use pgrx::{
    Uuid,
    datum::DatumWithOid,
    prelude::*,
    spi::{OwnedPreparedStatement, SpiClient, SpiHeapTupleData, SpiTupleTable},
};
use std::{cell::RefCell, collections::HashMap};

/// The text of `sql/store/NAME.sql`.
macro_rules! statement {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/store/", $name, ".sql"))
    };
    // One that ends as another does: its end is a file of its own.
    ($beginning:literal, $end:literal) => {
        concat!(
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/store/", $beginning, ".sql")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/store/", $end, ".sql"))
        )
    };
}
pub(crate) use statement;

/// A new id; ids grow with time, which keeps inserts in one place of their index.
pub fn new_id() -> Uuid {
    Uuid::from_bytes(*uuid::Uuid::now_v7().as_bytes())
}

type Arguments<'a> = &'a [DatumWithOid<'a>];

thread_local! {
    /// The plans of this session, by the address of the statement's text. They are never freed: the end of the process
    /// is no time to call PostgreSQL.
    static PLANS: RefCell<HashMap<usize, &'static OwnedPreparedStatement>> = RefCell::default();
}

/// The plan of a statement: made once in a session, as most statements run again and again.
fn plan(
    client: &SpiClient<'_>,
    statement: &'static str,
    arguments: Arguments<'_>,
    changes: bool,
) -> spi::Result<&'static OwnedPreparedStatement> {
    let key = statement.as_ptr().addr();
    if let Some(plan) = PLANS.with_borrow(|plans| plans.get(&key).copied()) {
        return Ok(plan);
    }
    let types: Vec<PgOid> = arguments.iter().map(|argument| PgOid::from(argument.oid())).collect();
    let plan =
        if changes { client.prepare_mut(statement, &types) } else { client.prepare(statement, &types) }?;
    let plan: &'static OwnedPreparedStatement = Box::leak(Box::new(plan.keep()));
    PLANS.with_borrow_mut(|plans| plans.insert(key, plan));
    Ok(plan)
}

/// Runs a statement that changes something, or that must see what this transaction has changed; gives the number of rows
/// that it returned or changed.
fn execute(statement: &'static str, arguments: Arguments<'_>) -> Result<usize> {
    Spi::connect_mut(|client| {
        let plan = plan(client, statement, arguments, true)?;
        client.update(plan, None, arguments).map(|rows| rows.len())
    })
    .map_err(internal)
}

/// The first row of a statement, read by `read`; it sees what this transaction has changed.
fn one<T>(
    statement: &'static str,
    arguments: Arguments<'_>,
    read: impl FnOnce(&SpiTupleTable<'_>) -> spi::Result<T>,
) -> Result<Option<T>> {
    Spi::connect_mut(|client| {
        let plan = plan(client, statement, arguments, true)?;
        let rows = client.update(plan, None, arguments)?.first();
        if rows.is_empty() { Ok(None) } else { read(&rows).map(Some) }
    })
    .map_err(internal)
}

/// All rows of a statement, read by `read`; it sees what has been committed by now, and what this transaction has changed.
fn all<T>(
    statement: &'static str,
    arguments: Arguments<'_>,
    read: impl Fn(&SpiHeapTupleData<'_>) -> spi::Result<T>,
) -> Result<Vec<T>> {
    Spi::connect_mut(|client| -> spi::Result<Vec<T>> {
        let plan = plan(client, statement, arguments, true)?;
        client.update(plan, None, arguments)?.map(|row| read(&row)).collect()
    })
    .map_err(internal)
}

/// All rows of a statement that changes nothing, as of the current snapshot; takes no transaction id.
fn rows<T>(
    statement: &'static str,
    arguments: Arguments<'_>,
    read: impl Fn(&SpiHeapTupleData<'_>) -> spi::Result<T>,
) -> Result<Vec<T>> {
    Spi::connect(|client| -> spi::Result<Vec<T>> {
        let plan = plan(client, statement, arguments, false)?;
        client.select(plan, None, arguments)?.map(|row| read(&row)).collect()
    })
    .map_err(internal)
}

/// A column that is never null.
fn column<T: IntoDatum + FromDatum>(row: &SpiHeapTupleData<'_>, ordinal: usize) -> spi::Result<T> {
    row.get(ordinal)?.ok_or(spi::Error::InvalidPosition)
}

/// The same of the first row.
fn first<T: IntoDatum + FromDatum>(rows: &SpiTupleTable<'_>, ordinal: usize) -> spi::Result<T> {
    rows.get(ordinal)?.ok_or(spi::Error::InvalidPosition)
}

/// A failure of the programming interface, not of a statement: those are raised as they are.
fn internal(problem: spi::Error) -> pgrx::pg_sys::panic::ErrorReport {
    error(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, format!("a statement of sequin went wrong: {problem}"))
}
