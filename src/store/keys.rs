//! Which keys the secrets in this database are sealed with.

use super::{Result, all, column, execute, rows, statement};
use crate::secret::Sealed;
use pgrx::Uuid;

/// Something that is sealed.
pub struct Item {
    /// What it is: "credential", "app", "flow" or "token".
    pub kind: String,
    /// What it is sealed for.
    pub id: Uuid,
    /// Of the credential or the application that it belongs to.
    pub name: String,
    pub sealed: Sealed,
}

/// Keeps the key what it is until the transaction ends.
pub fn share() -> Result<()> {
    execute(statement!("keys/share"), &[]).map(drop)
}

/// Makes the transaction the only one that seals anything for a user.
pub fn own() -> Result<()> {
    execute(statement!("keys/own"), &[]).map(drop)
}

/// The fingerprints of all keys that something is sealed with.
pub fn ids() -> Result<Vec<String>> {
    rows(statement!("keys/ids"), &[], |row| column(row, 1))
}

/// What is sealed with another key than `current`.
pub fn outdated(current: &str) -> Result<Vec<Item>> {
    all(statement!("keys/outdated"), &[current.into()], |row| {
        Ok(Item {
            kind: column(row, 1)?,
            id: column(row, 2)?,
            name: column(row, 3)?,
            sealed: Sealed { bytes: column(row, 4)?, key_id: column(row, 5)? },
        })
    })
}

pub fn reseal(item: Item, sealed: Sealed) -> Result<()> {
    let arguments = [
        item.kind.into(),
        item.id.into(),
        item.sealed.bytes.into(),
        sealed.bytes.into(),
        sealed.key_id.into(),
    ];
    execute(statement!("keys/reseal"), &arguments).map(drop)
}
