//! The keys that secrets are sealed with: which one is in use, and another one in its place.

use crate::{
    error::{Result, error, required},
    pg::{
        database,
        shared::{self, SealedWith},
        transaction,
    },
    secret, store,
};
use pgrx::{pg_sys::panic::ErrorReport, prelude::*};

#[pg_extern]
fn rotate_key(forget_old_keys: default!(Option<bool>, "false")) -> Result<String> {
    if required("forget_old_keys", forget_old_keys)? { forget_old() } else { rotate() }
}

/// The fingerprint of the key that seals secrets, as a process of the server has seen it last.
#[pg_extern(name = "_current_key")]
fn current_key() -> Option<String> {
    shared::current_key().map(secret::shown)
}

/// Seals everything with the newest key, and with a new one where that is so already. A rotation that was rolled back has
/// left its key behind: the next one goes on with it. So does one in another database.
fn rotate() -> Result<String> {
    store::keys::own()?;
    secret::read_anew();
    if !store::credentials::exist()? {
        secret::create_key_if_missing()?;
    }
    let mut current = secret::current_key()?;
    let mut outdated = store::keys::outdated(&current)?;
    if outdated.is_empty() && !secret::is_from_command() {
        secret::add_key()?;
        current = secret::current_key()?;
        outdated = store::keys::outdated(&current)?;
    }
    for item in outdated {
        let secrets = secret::open(item.id.as_bytes(), &item.name, &item.sealed)?;
        let sealed = secret::seal(item.id.as_bytes(), &secrets)?;
        store::keys::reseal(item, sealed)?;
    }
    Ok(current)
}

/// Removes the keys that nothing in the cluster is sealed with. What is removed can't be had again, so nothing that is not
/// committed may count.
fn forget_old() -> Result<String> {
    if transaction::has_changed() || transaction::is_isolated() {
        return Err(error(
            PgSqlErrorCode::ERRCODE_ACTIVE_SQL_TRANSACTION,
            "old keys can't be forgotten in this transaction",
        )
        .set_detail(
            "It has changed something that may be rolled back, or doesn't see what has been committed since it began.",
        )
        .set_hint("Call sequin.rotate_key(forget_old_keys => true) by itself, and READ COMMITTED."));
    }
    store::keys::own()?;
    secret::read_anew();
    let current = secret::current_key()?;
    let outdated = store::keys::outdated(&current)?;
    if !outdated.is_empty() {
        let names = list(outdated.into_iter().map(|item| item.name));
        return Err(in_use(
            format!("Sealed with an older key than {current} is what belongs to {names}."),
            "Call sequin.rotate_key() first.",
        ));
    }
    let others = list(other_databases(&current).into_iter().map(database::name));
    if !others.is_empty() {
        return Err(in_use(
            format!(
                "The databases of the cluster share the file. Not known to use the key {current} alone: {others}."
            ),
            "Call sequin.rotate_key() in each of them, and try again once their workers run.",
        ));
    }
    secret::forget_old_keys(&current)?;
    Ok(current)
}

/// The databases in which something may be sealed with another key.
fn other_databases(current: &str) -> Vec<pg_sys::Oid> {
    let is_clear = |database: &pg_sys::Oid| {
        let Some(slot) = shared::slot_of(*database) else { return false };
        slot.is_absent()
            || match slot.sealed_with() {
                SealedWith::Nothing => true,
                SealedWith::One(key) => Some(key) == secret::fingerprint(current),
                SealedWith::Unknown | SealedWith::Several => false,
            }
    };
    let others = database::connectable().into_iter().filter(|oid| *oid != database::current());
    others.filter(|database| !is_clear(database)).collect()
}

fn in_use(detail: String, hint: &str) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_OBJECT_IN_USE, "old keys are in use, or may be")
        .set_detail(detail)
        .set_hint(hint)
}

/// The first of many names.
fn list(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().take(20).collect::<Vec<_>>().join(", ")
}
