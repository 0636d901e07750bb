//! Providers of the user's own: an API that is declared instead of programmed.

use super::{kind_of, object, options};
use crate::{
    error::{Result, error, invalid, required, unknown},
    pg::{document::Document, transaction},
    settings,
    store::{self, providers::Synced},
};
use pgrx::{JsonB, prelude::*};
use sequin_provider::{
    catalogue,
    declaration::{CollectionRef, Declaration, Invalid},
};
use serde_json::Value;
use std::sync::Arc;

/// A declaration that takes more than this, in bytes, is a mistake.
const LONGEST_SPEC: usize = 4 << 20;

#[pg_extern]
fn register_provider(spec: Option<Document>) -> Result<String> {
    let spec = Value::Object(object("spec", spec)?);
    let text = spec.to_string();
    if text.len() > LONGEST_SPEC {
        return Err(invalid("the declaration is too long")
            .set_detail(format!("It has {} bytes, and at most {LONGEST_SPEC} can be used.", text.len()))
            .set_hint("Declare the collections that you sync."));
    }
    let declaration = Declaration::parse(&text).map_err(|problem| unsound(&spec, &problem))?;
    let name = declaration.provider.clone();
    if catalogue::find(&name).is_some() {
        return Err(error(
            PgSqlErrorCode::ERRCODE_RESERVED_NAME,
            format!("sequin comes with a provider called {name:?}"),
        )
        .set_detail("A registered provider can't take the place of one that is built in.")
        .set_hint(format!("Choose another name, such as my_{name}.")));
    }
    check_base_url(&declaration.base_url)?;
    store::providers::lock()?;
    let declaration = Arc::new(declaration);
    let old = store::providers::find(&name)?;
    if let Some(old) = &old {
        check_credentials(old, &declaration)?;
    }
    let synced = store::providers::collections(&name)?;
    check_collections(&declaration, &synced)?;
    check_options(&declaration, &synced)?;
    store::providers::upsert(&name, JsonB(spec))?;
    transaction::giving_way(|| {
        synced.iter().try_for_each(|synced| follow(synced, &declaration, old.as_ref()))
    })?;
    Ok(name)
}

/// Has a collection of a sync go by the new declaration.
fn follow(synced: &Synced, new: &Arc<Declaration>, old: Option<&Arc<Declaration>>) -> Result<()> {
    let Synced { sync_id, collection_id, feed, .. } = synced;
    let new = collection(new, synced)?;
    let new_feed = new.as_ref().and_then(|new| new.changes.feed.clone());
    let old = old.map(|old| collection(old, synced)).transpose()?.flatten();
    if !new.zip(old).is_some_and(|(new, old)| new.lists_as(&old)) {
        store::backfills::restart(*sync_id, Some(collection_id), false)?;
    }
    if new_feed != *feed {
        store::providers::set_feed(*sync_id, collection_id, new_feed.as_deref())?;
        // What has changed before the feed is listened to is found by comparing.
        store::progress::start_sweep(store::new_id(), *sync_id, collection_id)?;
    }
    Ok(())
}

/// The collection of a sync as it is declared, or was discovered; `None` where there is no such thing.
fn collection(declaration: &Arc<Declaration>, synced: &Synced) -> Result<Option<CollectionRef>> {
    let Synced { collection_id, credential_id, .. } = synced;
    let declaration =
        store::kinds::declare(declaration, *credential_id, std::slice::from_ref(collection_id))?;
    Ok(CollectionRef::of_id(&declaration, collection_id))
}

#[pg_extern]
fn delete_provider(name: Option<&str>) -> Result<()> {
    let name = required("name", name)?;
    if catalogue::find(name).is_some() {
        return Err(error(
            PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
            format!("provider {name:?} is built in"),
        )
        .set_detail("It comes with sequin and can't be deleted.")
        .set_hint("Providers that were registered with sequin.register_provider can be."));
    }
    store::providers::lock()?;
    let names: Vec<String> =
        store::providers::credentials(name)?.into_iter().map(|credential| credential.name).collect();
    if !names.is_empty() {
        return Err(error(
            PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
            format!("provider {name:?} is in use"),
        )
        .set_detail(format!("These credentials are for it: {}.", names.join(", ")))
        .set_hint("Delete them first with sequin.delete_credential."));
    }
    if store::providers::delete(name)? { Ok(()) } else { Err(unknown_provider(name)) }
}

/// The provider called `name`.
pub(super) fn find(name: &str) -> Result<Arc<Declaration>> {
    store::providers::find(name)?.ok_or_else(|| unknown_provider(name))
}

fn unknown_provider(name: &str) -> pgrx::pg_sys::panic::ErrorReport {
    match store::providers::all() {
        Ok(all) => {
            let names = all.iter().map(|declaration| declaration.provider.as_str());
            unknown("provider", name, names, "SELECT name FROM sequin.providers lists those there are.")
        }
        Err(problem) => problem,
    }
}

/// A declaration that can't be used: where, and what stands there.
fn unsound(spec: &Value, problem: &Invalid) -> pgrx::pg_sys::panic::ErrorReport {
    let Invalid { at, problem } = problem;
    let place = if at.is_empty() { "the document itself" } else { at };
    let found = match spec.pointer(at) {
        None => "There is nothing.".to_owned(),
        Some(value @ (Value::Object(_) | Value::Array(_))) => format!("There is {}.", kind_of(value)),
        Some(value) => format!("There is {value:.200}."),
    };
    invalid(format!("the declaration can't be used: {place}: {problem}"))
        .set_detail(found)
        .set_hint("The guide to declarations is docs/declaring.md.")
}

fn check_base_url(text: &str) -> Result<()> {
    let problem = match url::Url::parse(text) {
        Ok(url) => sequin_net::check_url(&url, settings::allow_private_networks())
            .err()
            .map(|problem| problem.to_string()),
        Err(problem) => Some(problem.to_string()),
    };
    match problem {
        None => Ok(()),
        Some(problem) => Err(invalid(format!("the declaration can't be used: /base_url: {problem}"))
            .set_detail(format!("There is {text:?}."))
            .set_hint(
                "Use an https:// URL of a public host, or turn on the setting sequin.allow_private_networks.",
            )),
    }
}

/// What is stored for a server must not go to another one, and no credential be left of a kind that there isn't.
fn check_credentials(old: &Declaration, new: &Declaration) -> Result<()> {
    let credentials = store::providers::credentials(&new.provider)?;
    if let Some(left) = credentials.iter().find(|credential| new.authentication(&credential.kind).is_none()) {
        return Err(error(
            PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
            format!(
                "credential {:?} is of the kind {:?}, which the declaration no longer has",
                left.name, left.kind
            ),
        )
        .set_detail("/authentication lists the kinds of credentials.")
        .set_hint("Keep the kind, or delete the credential first."));
    }
    let is_moved = |kind: &str| {
        let kinds = old.authentication(kind).zip(new.authentication(kind));
        kinds.is_some_and(|(old, new)| new.moves_from(old))
    };
    if let Some(left) = credentials.iter().find(|credential| is_moved(&credential.kind)) {
        return Err(error(
            PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
            format!("credential {:?} has tokens, and where they are asked for can't change", left.name),
        )
        .set_detail("Secrets that were given for one server must not be sent to another.")
        .set_hint("Declare another kind of credential, or delete the credential first."));
    }
    let follows = credentials.iter().find(|credential| !credential.has_base_url);
    match follows {
        Some(credential) if old.base_url != new.base_url => Err(error(
            PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
            format!("the base_url of provider {:?} can't change: credential {:?} follows it", new.provider, credential.name),
        )
        .set_detail(format!("It is {:?} now. Secrets that were given for one server must not be sent to another.", old.base_url))
        .set_hint("Delete the credentials first, or give each the base_url and its secrets with sequin.update_credential.")),
        _ => Ok(()),
    }
}

fn check_collections(new: &Arc<Declaration>, synced: &[Synced]) -> Result<()> {
    for each in synced {
        if collection(new, each)?.is_none() {
            let Synced { sync, collection_id, .. } = each;
            return Err(error(
                PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
                format!("sync {sync:?} brings {collection_id}, which the declaration no longer has"),
            )
            .set_detail(
                "/collections must have each collection that is synced, or /discover a template for it.",
            )
            .set_hint("Keep the collection, or take it out of the sync first with sequin.update_sync."));
        }
    }
    Ok(())
}

/// What a sync is to read must still be found: nothing at all would be listed else.
fn check_options(new: &Arc<Declaration>, synced: &[Synced]) -> Result<()> {
    let is_lost = |synced: &&Synced| {
        let collections = std::slice::from_ref(&synced.collection_id);
        options::check_stored(new, collections, &synced.options.0).is_err()
    };
    let Some(lost) = synced.iter().find(is_lost) else { return Ok(()) };
    let Synced { sync, collection_id, options, .. } = lost;
    let options = options.0.to_string();
    Err(error(
        PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
        format!("the declaration can't do with the options by which sync {sync:?} brings {collection_id}"),
    )
    .set_detail(format!("They are {options:.200}."))
    .set_hint("Keep the options and the paths by them, or change the sync first with sequin.update_sync."))
}
