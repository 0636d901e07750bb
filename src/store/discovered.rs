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

/// Of these credentials.
pub fn known(credential_ids: Vec<Uuid>) -> Result<Vec<Discovered>> {
    rows(statement!("discovered/known"), &[credential_ids.into()], |row| {
        Ok(Discovered {
            credential_id: column(row, 1)?,
            collection_id: column(row, 2)?,
            properties: column(row, 3)?,
            discovered_at: row.get(4)?.map(from_postgres),
        })
    })
}

/// What was told of the properties of a collection's objects, with their types: once for each credential of a sync that
/// brings it, of this stream and this sync where they are given.
pub fn described(
    collection_id: &str,
    stream_id: Option<Uuid>,
    sync_id: Option<Uuid>,
) -> Result<Vec<(Vec<String>, Vec<String>)>> {
    let arguments = [collection_id.into(), stream_id.into(), sync_id.into()];
    rows(statement!("discovered/described"), &arguments, |row| Ok((column(row, 1)?, column(row, 2)?)))
}

/// Keeps what was told at `at`; gives whether there were other properties before. `types`: of each property, where the API
/// tells.
pub fn keep(
    credential_id: Uuid,
    collection_id: &str,
    properties: Vec<String>,
    types: Option<Vec<String>>,
    at: Timestamp,
) -> Result<bool> {
    let arguments =
        [credential_id.into(), collection_id.into(), properties.into(), types.into(), to_postgres(at).into()];
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

/// Has what is known of a collection with the credential asked for again at once; of all of them, where none is given.
pub fn forget(credential_id: Uuid, collection_id: Option<&str>) -> Result<()> {
    execute(statement!("discovered/forget"), &[credential_id.into(), collection_id.into()]).map(drop)
}

/// The same, as the API has refused a request that goes by it; false where it was told so only just now.
pub fn doubt(credential_id: Uuid, collection_id: &str) -> Result<bool> {
    let arguments = [credential_id.into(), collection_id.into()];
    execute(statement!("discovered/doubt"), &arguments).map(|doubted| doubted > 0)
}
