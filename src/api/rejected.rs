//! Fetching again what was set aside.

use super::syncs;
use crate::{
    error::{Result, error, required},
    pg::{shared, transaction},
    store,
};
use pgrx::prelude::*;
use sequin_provider::declaration::CollectionRef;

#[pg_extern]
fn retry_rejected(sync: Option<&str>, collection: default!(Option<&str>, "NULL")) -> Result<i64> {
    let name = required("sync", sync)?;
    let sync = syncs::find(name)?;
    let declaration = syncs::declaration(&sync)?;
    let collections = match collection {
        Some(given) => vec![syncs::own_collection(&sync, &declaration, given)?.as_str().to_owned()],
        None => sync.collections.clone(),
    };
    let is_retrievable = |id: &str| {
        CollectionRef::of_id(&declaration, id).is_some_and(|collection| collection.is_retrievable())
    };
    let retrievable: Vec<String> =
        collections.iter().filter(|id| is_retrievable(id.as_str())).cloned().collect();
    let asked = store::rejected::mark(sync.id, retrievable.clone())?;
    let left_over = store::rejected::left_over(sync.id, collections, retrievable)?;
    if !left_over.is_empty() {
        tell(name, &left_over);
    }
    transaction::on_commit(shared::wake_workers);
    Ok(asked)
}

/// A notice of what only a backfill can bring.
fn tell(sync: &str, left_over: &[(String, i64)]) {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let counts: Vec<String> = left_over.iter().map(|(id, count)| format!("{count} of {id}")).collect();
    let calls: Vec<String> = left_over
        .iter()
        .map(|(id, _)| format!("SELECT sequin.start_backfill({}, {});", quoted(sync), quoted(id)))
        .collect();
    error(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, "some objects can't be fetched one by one")
        .set_detail(format!("They have no id, or the API has no way to: {}.", counts.join(", ")))
        .set_hint(format!("A backfill reads them again: {}", calls.join(" ")))
        .report(PgLogLevel::NOTICE);
}
