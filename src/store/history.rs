//! The history of syncs, where it isn't written by triggers.

use super::{Result, execute, statement};
use pgrx::{JsonB, Uuid};

/// `collection_id`: `None` for what concerns the whole sync.
pub fn write(sync_id: Uuid, collection_id: Option<&str>, event: &str, detail: JsonB) -> Result<()> {
    let arguments = [sync_id.into(), collection_id.into(), event.into(), detail.into()];
    execute(statement!("history/write"), &arguments).map(drop)
}
