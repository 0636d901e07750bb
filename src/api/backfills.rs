//! Backfills on demand.

use super::syncs;
use crate::{
    error::{Result, error, invalid, required},
    pg::{shared, transaction},
    store,
};
use pgrx::{Uuid, datum::TimestampWithTimeZone, prelude::*};
use sequin_provider::declaration::CollectionRef;

#[pg_extern]
fn start_backfill(
    sync: Option<&str>,
    collection: Option<&str>,
    since: default!(Option<TimestampWithTimeZone>, "NULL"),
) -> Result<Uuid> {
    let sync = syncs::find(required("sync", sync)?)?;
    let declaration = syncs::declaration(&sync)?;
    let id = syncs::own_collection(&sync, &declaration, required("collection", collection)?)?;
    let has_since =
        CollectionRef::new(&declaration, id.name()).is_some_and(|collection| collection.created.is_some());
    if since.is_some() && !has_since {
        return Err(invalid(format!("{id} can't be listed from an instant on"))
            .set_detail("The API has no such filter for this collection.")
            .set_hint("Leave since out: the whole collection is listed."));
    }
    let backfill =
        store::backfills::insert(store::new_id(), sync.stream_id, sync.id, id.as_str(), "manual", since)?;
    let backfill = backfill.ok_or_else(|| {
        error(PgSqlErrorCode::ERRCODE_OBJECT_IN_USE, format!("a backfill of {id} is under way already"))
            .set_detail("It was started with sequin.start_backfill and has not finished.")
            .set_hint("Wait for it (sequin.backfill_progress shows how far it is), or cancel it with sequin.cancel_backfill.")
    })?;
    Ok(backfill)
}

#[pg_extern]
fn cancel_backfill(id: Option<Uuid>) -> Result<()> {
    let id = required("id", id)?;
    if store::backfills::cancel(id)? {
        transaction::on_commit(shared::wake_workers);
        return Ok(());
    }
    Err(match store::backfills::state(id)? {
        Some(state) => error(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("the backfill is {state} already"),
        )
        .set_detail(format!("Backfill {id} has ended."))
        .set_hint("Only a backfill that is pending or running can be cancelled."),
        None => error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, "the backfill does not exist")
            .set_detail(format!("There is no backfill with the id {id}."))
            .set_hint("SELECT id FROM sequin.backfills lists those there are."),
    })
}
