//! The providers: those that sequin comes with, and those that were registered in this database.

use super::{Result, column, execute, rows, statement};
use pgrx::{JsonB, Uuid, warning};
use sequin_provider::{catalogue, declaration::Declaration};
use std::{cell::RefCell, collections::HashMap, sync::Arc};

thread_local! {
    /// The registered providers as they were last read, by name, with their version.
    static READ: RefCell<HashMap<String, (i64, Arc<Declaration>)>> = RefCell::default();
}

/// All providers: the built-in ones, then the registered ones by name.
pub fn all() -> Result<Vec<Arc<Declaration>>> {
    let mut all = catalogue::all().to_vec();
    for (name, version) in versions()? {
        all.extend(read(&name, version)?);
    }
    Ok(all)
}

/// The provider of this name.
pub fn find(name: &str) -> Result<Option<Arc<Declaration>>> {
    if let Some(built_in) = catalogue::find(name) {
        return Ok(Some(built_in.clone()));
    }
    match versions()?.into_iter().find(|(found, _)| found == name) {
        Some((name, version)) => read(&name, version),
        None => Ok(None),
    }
}

/// Which registered providers there are, and in which version.
pub fn versions() -> Result<Vec<(String, i64)>> {
    rows(statement!("providers/versions"), &[], |row| Ok((column(row, 1)?, column(row, 2)?)))
}

/// The declaration, parsed once for each of its versions; `None` where a newer sequin no longer understands it.
fn read(name: &str, version: i64) -> Result<Option<Arc<Declaration>>> {
    let known = READ.with_borrow(|read| read.get(name).filter(|(known, _)| *known == version).cloned());
    if let Some((_, declaration)) = known {
        return Ok(Some(declaration));
    }
    let specs = rows(statement!("providers/spec"), &[name.into()], |row| column::<String>(row, 1))?;
    let Some(spec) = specs.first() else { return Ok(None) };
    match Declaration::parse(spec) {
        Ok(declaration) => {
            let declaration = Arc::new(declaration);
            READ.with_borrow_mut(|read| read.insert(name.to_owned(), (version, declaration.clone())));
            Ok(Some(declaration))
        }
        Err(invalid) => {
            warning!(
                "sequin does not understand the provider {name:?} any more, register it again: {invalid}"
            );
            Ok(None)
        }
    }
}

/// Keeps providers from changing until the transaction ends; to be called before anything else is locked.
pub fn hold() -> Result<()> {
    execute(statement!("providers/hold"), &[]).map(drop)
}

/// Keeps what depends on providers from coming or changing until the transaction ends.
pub fn lock() -> Result<()> {
    execute(statement!("providers/lock"), &[]).map(drop)
}

/// Inserts the provider, or replaces the one of this name.
pub fn upsert(name: &str, spec: JsonB) -> Result<()> {
    execute(statement!("providers/upsert"), &[name.into(), spec.into()]).map(drop)
}

/// False where there is none.
pub fn delete(name: &str) -> Result<bool> {
    execute(statement!("providers/delete"), &[name.into()]).map(|deleted| deleted > 0)
}

/// A credential for a provider.
pub struct Dependent {
    pub name: String,
    pub kind: String,
    /// Whether it says itself where the API is.
    pub has_base_url: bool,
}

pub fn credentials(provider: &str) -> Result<Vec<Dependent>> {
    rows(statement!("providers/credentials"), &[provider.into()], |row| {
        Ok(Dependent { name: column(row, 1)?, kind: column(row, 2)?, has_base_url: column(row, 3)? })
    })
}

/// A collection that a sync brings.
pub struct Synced {
    pub sync_id: Uuid,
    pub sync: String,
    pub collection_id: String,
    pub feed: Option<String>,
    /// Those of the sync.
    pub options: JsonB,
    pub credential_id: Uuid,
}

pub fn collections(provider: &str) -> Result<Vec<Synced>> {
    rows(statement!("providers/collections"), &[provider.into()], |row| {
        Ok(Synced {
            sync_id: column(row, 1)?,
            sync: column(row, 2)?,
            collection_id: column(row, 3)?,
            feed: row.get(4)?,
            options: column(row, 5)?,
            credential_id: column(row, 6)?,
        })
    })
}

/// The collection listens to another feed from now on, or to none.
pub fn set_feed(sync_id: Uuid, collection_id: &str, feed: Option<&str>) -> Result<()> {
    execute(statement!("providers/set_feed"), &[sync_id.into(), collection_id.into(), feed.into()]).map(drop)
}
