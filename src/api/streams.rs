//! Streams.

use super::{names::new_name, object};
use crate::{
    error::{Result, duplicate, error, required, unknown},
    pg::document::Document,
    store,
};
use pgrx::{JsonB, Uuid, prelude::*};
use serde_json::Value;

#[pg_extern]
fn create_stream(name: Option<&str>, metadata: default!(Option<Document>, "'{}'")) -> Result<Uuid> {
    let name = new_name("stream", name)?;
    let metadata = JsonB(Value::Object(object("metadata", metadata)?));
    store::streams::insert(store::new_id(), name, metadata)?.ok_or_else(|| {
        duplicate("stream", name, "Choose another name, or delete the stream with sequin.delete_stream.")
    })
}

#[pg_extern]
fn delete_stream(name: Option<&str>, force: default!(Option<bool>, false)) -> Result<()> {
    let name = required("name", name)?;
    let id = find(name)?;
    if force != Some(true)
        && let Some(dependents) = store::streams::dependents(id)?
    {
        return Err(error(
            PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
            format!("stream {name:?} is in use"),
        )
        .set_detail(format!("These belong to it: {dependents}."))
        .set_hint(
            "Delete them first, or give force => true to delete them and all records with the stream.",
        ));
    }
    store::syncs::lock_stream(id)?;
    store::streams::delete(id)?;
    Ok(())
}

/// The id of a stream, for the functions that are written in SQL.
#[pg_extern(name = "_stream_id")]
fn stream_id(name: &str) -> Result<Uuid> {
    find(name)
}

/// The id of the stream called `name`.
pub(super) fn find(name: &str) -> Result<Uuid> {
    match store::streams::find(name)? {
        Some(id) => Ok(id),
        None => {
            let names = store::streams::names()?;
            let otherwise =
                "Create it with sequin.create_stream; SELECT name FROM sequin.streams lists those there are.";
            Err(unknown("stream", name, names.iter().map(String::as_str), otherwise))
        }
    }
}
