//! Credentials, with their secrets sealed.

use super::{Result, column, execute, first, one, rows, statement};
use crate::secret::Sealed;
use pgrx::{JsonB, Uuid};

pub struct Credential {
    pub id: Uuid,
    pub name: String,
    pub provider: String,
    pub settings: JsonB,
    pub sealed: Sealed,
    pub metadata: JsonB,
}

/// Inserts the credential, or replaces the one with this id.
pub fn upsert(credential: Credential, secret_names: Vec<String>) -> Result<()> {
    let Credential { id, name, provider, settings, sealed, metadata } = credential;
    let arguments = [
        id.into(),
        name.into(),
        provider.into(),
        settings.into(),
        secret_names.into(),
        sealed.bytes.into(),
        sealed.key_id.into(),
        metadata.into(),
    ];
    execute(statement!("credentials/upsert"), &arguments).map(drop)
}

/// The credential, locked until the transaction ends.
pub fn find(name: &str) -> Result<Option<Credential>> {
    one(statement!("credentials/find"), &[name.into()], |row| {
        Ok(Credential {
            id: first(row, 1)?,
            name: first(row, 2)?,
            provider: first(row, 3)?,
            settings: first(row, 4)?,
            sealed: Sealed { bytes: first(row, 5)?, key_id: first(row, 6)? },
            metadata: first(row, 7)?,
        })
    })
}

/// Makes the transaction the only one that creates a credential of this name.
pub fn lock_name(name: &str) -> Result<()> {
    execute(statement!("credentials/lock_name"), &[name.into()]).map(drop)
}

/// Whether anything is sealed in this database.
pub fn exist() -> Result<bool> {
    one(statement!("credentials/exist"), &[], |row| first(row, 1)).map(|exist| exist == Some(true))
}

pub fn names() -> Result<Vec<String>> {
    rows(statement!("credentials/names"), &[], |row| column(row, 1))
}

/// The names of the syncs that use it; `None` where none does.
pub fn syncs(id: Uuid) -> Result<Option<String>> {
    one(statement!("credentials/syncs"), &[id.into()], |row| row.get(1)).map(Option::flatten)
}

/// The syncs that use it.
pub fn sync_ids(id: Uuid) -> Result<Vec<Uuid>> {
    rows(statement!("credentials/sync_ids"), &[id.into()], |row| column(row, 1))
}

pub fn delete(id: Uuid) -> Result<()> {
    execute(statement!("credentials/delete"), &[id.into()]).map(drop)
}

/// What failed because of the credential is tried again at once.
pub fn forget_failures(id: Uuid) -> Result<()> {
    execute(statement!("credentials/forget_failures"), &[id.into()]).map(drop)
}
