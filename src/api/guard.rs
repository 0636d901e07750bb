//! Deletions that were held back as too many to be believed.

use super::syncs;
use crate::{
    error::{Result, error, required},
    store::{self, backfills, history, progress},
};
use pgrx::{JsonB, Uuid, pg_sys::panic::ErrorReport, prelude::*};
use sequin_domain::collection::CollectionId;
use serde_json::json;

#[pg_extern]
fn confirm_deletes(sync: Option<&str>, collection: Option<&str>) -> Result<Uuid> {
    let sync = syncs::find(required("sync", sync)?)?;
    let declaration = syncs::declaration(&sync)?;
    let id = syncs::own_collection(&sync, &declaration, required("collection", collection)?)?;
    let up_to = backfills::release_deletes(sync.id, id.as_str())?.ok_or_else(|| nothing_is_held_back(&id))?;
    // One that is under way will do.
    progress::start_sweep(store::new_id(), sync.id, id.as_str())?;
    let sweep = backfills::allow_deletes(sync.id, id.as_str(), up_to)?;
    let sweep = sweep.ok_or_else(|| nothing_is_held_back(&id))?;
    let detail = json!({"id": sweep.to_string(), "up_to": up_to});
    history::write(sync.id, Some(id.as_str()), "deletes_confirmed", JsonB(detail))?;
    Ok(sweep)
}

fn nothing_is_held_back(id: &CollectionId) -> ErrorReport {
    error(
        PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("no deletions of {id} are held back"),
    )
    .set_detail("No sweep of the collection has been stopped by the guard since the last complete one.")
    .set_hint("SELECT sync, collection_id, held_back FROM sequin.sync_collections shows where there are any.")
}
