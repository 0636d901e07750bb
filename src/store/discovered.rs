//! What APIs have told of the objects of collections.

use super::{
    Result, all, column, execute, first, one,
    plan::{from_postgres, to_postgres},
    rows, statement,
};
use pgrx::Uuid;
use sequin_domain::timestamp::Timestamp;

/// What all that uses a credential knows of a collection.
pub struct Discovered {
    pub credential_id: Uuid,
    pub collection_id: String,
    /// The names of the properties that its objects have.
    pub properties: Vec<String>,
    /// `None`: it is to be asked again at once.
    pub discovered_at: Option<Timestamp>,
}

pub fn known() -> Result<Vec<Discovered>> {
    rows(statement!("discovered/known"), &[], |row| {
        Ok(Discovered {
            credential_id: column(row, 1)?,
            collection_id: column(row, 2)?,
            properties: column(row, 3)?,
            discovered_at: row.get(4)?.map(from_postgres),
        })
    })
}

/// Keeps what was told at `at`; gives whether something else was known before.
pub fn keep(
    credential_id: Uuid,
    collection_id: &str,
    properties: Vec<String>,
    at: Timestamp,
) -> Result<bool> {
    let arguments = [credential_id.into(), collection_id.into(), properties.into(), to_postgres(at).into()];
    one(statement!("discovered/keep"), &arguments, |row| first(row, 1)).map(|other| other == Some(true))
}

/// The syncs of the credential that have the collection.
pub fn syncs(credential_id: Uuid, collection_id: &str) -> Result<Vec<Uuid>> {
    all(statement!("discovered/syncs"), &[credential_id.into(), collection_id.into()], |row| column(row, 1))
}

/// Has a sweep of the collection that is under way start over.
pub fn start_over(sync_id: Uuid, collection_id: &str) -> Result<()> {
    execute(statement!("discovered/start_over"), &[sync_id.into(), collection_id.into()]).map(drop)
}

/// Has all that is known with the credential asked for again at once.
pub fn forget(credential_id: Uuid) -> Result<()> {
    execute(statement!("discovered/forget"), &[credential_id.into()]).map(drop)
}
