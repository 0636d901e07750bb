//! Deletions that were held back as too many to be believed.

use super::{credentials, syncs};
use crate::{
    error::{Result, error, required},
    store,
};
use pgrx::{JsonB, Uuid, prelude::*};
use serde_json::json;

#[pg_extern]
fn confirm_deletes(sync: Option<&str>, collection: Option<&str>) -> Result<Uuid> {
    let sync = syncs::find(required("sync", sync)?)?;
    let declaration = credentials::find_provider(&sync.provider)?;
    let id = syncs::own_collection(&sync, declaration, required("collection", collection)?)?;
    let confirmed = store::backfills::confirm_deletes(store::new_id(), sync.id, id.as_str())?;
    let (sweep, may_delete) = confirmed.ok_or_else(|| {
        error(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("no deletions of {id} are held back"),
        )
        .set_detail(
            "No sweep of the collection has been stopped by the guard since the last one that was complete.",
        )
        .set_hint(
            "SELECT sync, collection_id, held_back FROM sequin.sync_collections shows where there are any.",
        )
    })?;
    let detail = json!({"id": sweep.to_string(), "up_to": may_delete});
    store::history::write(sync.id, Some(id.as_str()), "deletes_confirmed", JsonB(detail))?;
    Ok(sweep)
}
