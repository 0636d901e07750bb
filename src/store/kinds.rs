//! Which kinds of objects accounts have, and the collections that they are.

use super::{Result, all, column, execute, one, plan::to_postgres, rows, statement};
use pgrx::{
    JsonB, Uuid,
    spi::{self, SpiHeapTupleData},
};
use sequin_domain::{collection::CollectionId, failure::Failure, timestamp::Timestamp};
use sequin_provider::{
    declaration::{CollectionRef, Declaration},
    kinds::Kind,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// A kind from five columns, the first of which is its key.
fn kind(row: &SpiHeapTupleData<'_>, first: usize) -> spi::Result<Kind> {
    let collection_id: String = column(row, first + 1)?;
    let collection = collection_id.split_once(':').map_or(collection_id.as_str(), |(_, name)| name);
    Ok(Kind {
        key: column(row, first)?,
        collection: collection.to_owned(),
        name: column(row, first + 2)?,
        title: column(row, first + 3)?,
        template: column(row, first + 4)?,
    })
}

/// Those that active syncs bring, with their credentials.
pub fn in_use() -> Result<Vec<(Uuid, Kind)>> {
    rows(statement!("kinds/in_use"), &[], |row| Ok((column(row, 1)?, kind(row, 2)?)))
}

/// A kind that is there, with its credential and its provider.
pub struct Discovered {
    pub credential_id: Uuid,
    pub provider: String,
    pub kind: Kind,
}

/// All that are there.
pub fn all_there() -> Result<Vec<Discovered>> {
    rows(statement!("kinds/all"), &[], |row| {
        Ok(Discovered { credential_id: column(row, 1)?, provider: column(row, 2)?, kind: kind(row, 3)? })
    })
}

/// Those whose collection is called so, with or without the provider: one for each collection, with its provider.
pub fn find(collection: &str) -> Result<Vec<(String, Kind)>> {
    rows(statement!("kinds/find"), &[collection.into()], |row| Ok((column(row, 1)?, kind(row, 2)?)))
}

/// Those of a credential, or of these collections of it; those that are gone among them.
pub fn of_credential(credential_id: Uuid, collection_ids: Option<Vec<String>>) -> Result<Vec<Kind>> {
    all(statement!("kinds/of_credential"), &[credential_id.into(), collection_ids.into()], |row| kind(row, 1))
}

/// The declaration, with those of these collections that were discovered with the credential.
pub fn declare(
    declaration: &Arc<Declaration>,
    credential_id: Uuid,
    collection_ids: &[String],
) -> Result<Arc<Declaration>> {
    let is_undeclared = |id: &&String| CollectionRef::of_id(declaration, id).is_none();
    let undeclared: Vec<String> = collection_ids.iter().filter(is_undeclared).cloned().collect();
    if declaration.discover.is_none() || undeclared.is_empty() {
        return Ok(declaration.clone());
    }
    let kinds = of_credential(credential_id, Some(undeclared))?;
    Ok(if kinds.is_empty() { declaration.clone() } else { Arc::new(declaration.with_kinds(&kinds)) })
}

/// Has the API asked for them at once.
pub fn want(credential_id: Uuid) -> Result<()> {
    execute(statement!("kinds/want"), &[credential_id.into()]).map(drop)
}

/// Whether they are known, and what was wrong when they were asked for last. `None` where they never were.
pub fn state(credential_id: Uuid) -> Result<Option<(bool, Option<String>)>> {
    one(statement!("kinds/state"), &[credential_id.into()], |row| {
        Ok((row.get(1)?.unwrap_or_default(), row.get(2)?))
    })
}

/// These are all that the API has listed at `at`.
pub fn keep(credential_id: Uuid, provider: &str, kinds: &[Kind], at: Timestamp) -> Result<()> {
    let row = |kind: &Kind| {
        let Kind { key, collection, name, title, template } = kind;
        let collection_id = CollectionId::new(provider, collection);
        json!({
            "key": key, "collection_id": collection_id.as_str(), "name": name, "title": title, "template": template
        })
    };
    let kinds = JsonB(Value::Array(kinds.iter().map(row).collect()));
    let arguments = [credential_id.into(), kinds.into(), to_postgres(at).into()];
    execute(statement!("kinds/keep"), &arguments).map(drop)
}

pub fn fail(credential_id: Uuid, failure: &Failure, retry_at: Timestamp) -> Result<()> {
    let arguments = [
        credential_id.into(),
        failure.class.as_str().into(),
        failure.message.as_str().into(),
        to_postgres(retry_at).into(),
    ];
    execute(statement!("kinds/fail"), &arguments).map(drop)
}
