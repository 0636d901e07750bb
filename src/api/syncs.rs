//! Syncs.

use super::{credentials, names::new_name, object, options, providers, streams};
use crate::{
    error::{Result, duplicate, error, invalid, required, unknown},
    pg::{document::Document, transaction},
    store::{
        self,
        syncs::{NewSync, Sync, SyncSettings},
    },
};
use pgrx::{JsonB, Uuid, datum::Interval, pg_sys::panic::ErrorReport, prelude::*};
use sequin_domain::{
    collection::CollectionId,
    frequency::{self, Frequency},
    rate_limit::RateLimit,
    suggestion,
};
use sequin_provider::declaration::{CollectionRef, Declaration};
use serde_json::Value;
use std::sync::Arc;

#[pg_extern]
#[allow(clippy::too_many_arguments, reason = "SQL has named arguments")]
fn create_sync(
    name: Option<&str>,
    stream: Option<&str>,
    credential: Option<&str>,
    collections: Option<Vec<Option<String>>>,
    frequency: default!(Option<&str>, "'continuous'"),
    rate_limit: default!(Option<Document>, "NULL"),
    max_age: default!(Option<Interval>, "NULL"),
    options: default!(Option<Document>, "'{}'"),
    external_id: default!(Option<String>, "NULL"),
    metadata: default!(Option<Document>, "'{}'"),
) -> Result<Uuid> {
    let name = new_name("sync", name)?;
    store::providers::hold()?;
    let stream_id = streams::find(required("stream", stream)?)?;
    let credential = credentials::find(required("credential", credential)?)?;
    let declaration = providers::find(&credential.provider)?;
    let given = required("collections", collections)?;
    let declaration = with_discovered(&declaration, credential.id, &given)?;
    let collections = check_collections(&declaration, credential.id, given)?;
    let settings = SyncSettings {
        collections: Some(collections.clone()),
        frequency: Some(check_frequency(required("frequency", frequency)?)?),
        rate_limit: rate_limit.map(check_rate_limit).transpose()?,
        max_age: max_age.map(check_max_age).transpose()?,
        options: Some(options::check(&declaration, &collections, options)?),
        external_id,
        metadata: Some(JsonB(Value::Object(object("metadata", metadata)?))),
    };
    let id = store::new_id();
    let new = NewSync {
        id,
        name,
        stream_id,
        credential_id: credential.id,
        provider: &credential.provider,
        settings,
    };
    if !store::syncs::insert(new)? {
        return Err(duplicate(
            "sync",
            name,
            "Choose another name, or change the sync with sequin.update_sync.",
        ));
    }
    let (provider, credential_id) = (credential.provider, credential.id);
    let (collections_before, options) = (Vec::new(), JsonB(Value::Null));
    let sync = Sync { id, stream_id, provider, collections: collections_before, options, credential_id };
    add_collections(&declaration, &sync, &collections)?;
    Ok(id)
}

#[pg_extern]
#[allow(clippy::too_many_arguments, reason = "SQL has named arguments")]
fn update_sync(
    name: Option<&str>,
    collections: default!(Option<Vec<Option<String>>>, "NULL"),
    frequency: default!(Option<&str>, "NULL"),
    rate_limit: default!(Option<Document>, "NULL"),
    max_age: default!(Option<Interval>, "NULL"),
    options: default!(Option<Document>, "NULL"),
    external_id: default!(Option<String>, "NULL"),
    metadata: default!(Option<Document>, "NULL"),
) -> Result<()> {
    let name = required("name", name)?;
    store::providers::hold()?;
    let sync = find(name)?;
    let known = declaration(&sync)?;
    let declaration =
        with_discovered(&known, sync.credential_id, collections.as_deref().unwrap_or_default())?;
    let collections =
        collections.map(|given| check_collections(&declaration, sync.credential_id, given)).transpose()?;
    let all = collections.as_ref().unwrap_or(&sync.collections).clone();
    let options = match options {
        Some(given) => Some(options::check(&declaration, &all, Some(given))?),
        None => {
            options::check_stored(&declaration, &all, &sync.options.0)?;
            None
        }
    };
    let settings = SyncSettings {
        collections: collections.clone(),
        frequency: frequency.map(check_frequency).transpose()?,
        rate_limit: rate_limit.map(check_rate_limit).transpose()?,
        max_age: max_age.map(check_max_age).transpose()?,
        options,
        external_id,
        metadata: metadata
            .map(|metadata| object("metadata", Some(metadata)).map(|metadata| JsonB(Value::Object(metadata))))
            .transpose()?,
    };
    let is_elsewhere = settings.options.as_ref().is_some_and(|options| options.0 != sync.options.0);
    store::syncs::update(sync.id, settings)?;
    if let Some(collections) = collections {
        store::syncs::remove_collections(sync.id, &collections)?;
        let added: Vec<String> =
            collections.into_iter().filter(|id| !sync.collections.contains(id)).collect();
        add_collections(&declaration, &sync, &added)?;
    }
    if is_elsewhere {
        look_elsewhere(&sync, &all)?;
    }
    Ok(())
}

/// The options lead to other lists: what is unfinished starts over, and everything is read and compared once. Looks go on
/// from where they are: what is older than that, of a value that is new, the comparison finds.
fn look_elsewhere(sync: &Sync, collections: &[String]) -> Result<()> {
    transaction::giving_way(|| store::backfills::restart(sync.id, None, true))?;
    for collection_id in collections.iter().filter(|id| sync.collections.contains(id)) {
        store::progress::start_sweep(store::new_id(), sync.id, collection_id)?;
    }
    Ok(())
}

#[pg_extern]
fn pause_sync(name: Option<&str>) -> Result<()> {
    set_status(name, "paused")
}

#[pg_extern]
fn resume_sync(name: Option<&str>) -> Result<()> {
    set_status(name, "active")
}

fn set_status(name: Option<&str>, status: &str) -> Result<()> {
    let sync = find(required("name", name)?)?;
    store::syncs::set_status(sync.id, status)?;
    Ok(())
}

#[pg_extern]
fn delete_sync(name: Option<&str>, keep_records: default!(Option<bool>, false)) -> Result<()> {
    let sync = find(required("name", name)?)?;
    // The stream's lock keeps a page that is just being applied from coming after.
    store::syncs::lock_stream(sync.stream_id)?;
    if keep_records != Some(true) {
        store::syncs::delete_records(&sync)?;
    }
    store::syncs::delete(sync.id)?;
    Ok(())
}

/// The id of a sync, for the functions that are written in SQL.
#[pg_extern(name = "_sync_id")]
fn sync_id(name: &str) -> Result<Uuid> {
    store::syncs::id(name)?.ok_or_else(|| unknown_sync(name))
}

/// What the sync's provider declares, with what was discovered of the sync's collections.
pub(super) fn declaration(sync: &Sync) -> Result<Arc<Declaration>> {
    store::kinds::declare(&providers::find(&sync.provider)?, sync.credential_id, &sync.collections)
}

/// The declaration with those of the collections given that were discovered with the credential.
fn with_discovered(
    declaration: &Arc<Declaration>,
    credential_id: Uuid,
    given: &[Option<String>],
) -> Result<Arc<Declaration>> {
    let ids = given.iter().flatten().filter_map(|id| CollectionId::in_provider(&declaration.provider, id));
    let ids: Vec<String> = ids.map(|id| id.as_str().to_owned()).collect();
    store::kinds::declare(declaration, credential_id, &ids)
}

/// The sync called `name`.
pub(super) fn find(name: &str) -> Result<Sync> {
    store::syncs::find(name)?.ok_or_else(|| unknown_sync(name))
}

pub(super) fn unknown_sync(name: &str) -> ErrorReport {
    match store::syncs::names() {
        Ok(names) => {
            let otherwise =
                "Create it with sequin.create_sync; SELECT name FROM sequin.syncs lists those there are.";
            unknown("sync", name, names.iter().map(String::as_str), otherwise)
        }
        Err(problem) => problem,
    }
}

/// The identifier of the collection of the sync that `given` names.
pub(super) fn own_collection(
    sync: &Sync,
    declaration: &Arc<Declaration>,
    given: &str,
) -> Result<CollectionId> {
    let id = check_collection(declaration, sync.credential_id, given)?;
    if sync.collections.iter().any(|of_sync| of_sync == id.as_str()) {
        return Ok(id);
    }
    Err(error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("the sync has no collection {id}"))
        .set_detail(format!("It has {}.", sync.collections.join(", ")))
        .set_hint("Add it with sequin.update_sync: that starts a backfill by itself."))
}

/// The identifier of the collection that `given` names, with or without the provider.
fn check_collection(
    declaration: &Arc<Declaration>,
    credential_id: Uuid,
    given: &str,
) -> Result<CollectionId> {
    if let Some(collection) = CollectionRef::of_id(declaration, given) {
        return Ok(collection.id());
    }
    let name = given.rsplit(':').next().unwrap_or(given);
    let missing =
        error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("collection {given:?} does not exist"));
    let mut kinds = Vec::new();
    if declaration.discover.is_some() {
        let (is_listed, problem) = store::kinds::state(credential_id)?.unwrap_or_default();
        if !is_listed {
            let why = problem.unwrap_or_else(|| "it has not answered".to_owned());
            return Err(missing
                .set_detail(format!(
                    "The provider {} declares no such collection, and the API has not told yet which others there are: {why}.",
                    declaration.provider
                ))
                .set_hint("It is asked as soon as there is a credential. Try again when SELECT collection_id FROM sequin.collections WHERE credential IS NOT NULL lists what it has told."));
        }
        kinds = store::kinds::of_credential(credential_id, None)?;
    }
    let declared = declaration.collections.iter().map(|collection| collection.name.as_str());
    let names = declared.chain(kinds.iter().map(|kind| kind.collection.as_str()));
    let near: Vec<String> = suggestion::nearest(name, names)
        .into_iter()
        .map(|name| format!("{:?}", CollectionId::new(&declaration.provider, name).as_str()))
        .collect();
    let hint = if near.is_empty() {
        format!(
            "SELECT collection_id FROM sequin.collections WHERE provider = '{}' lists those there are.",
            declaration.provider
        )
    } else {
        format!("Did you mean {}?", near.join(" or "))
    };
    Err(missing
        .set_detail(format!("The provider {} has no collection {given:?}.", declaration.provider))
        .set_hint(hint))
}

fn check_collections(
    declaration: &Arc<Declaration>,
    credential_id: Uuid,
    given: Vec<Option<String>>,
) -> Result<Vec<String>> {
    let mut ids = Vec::with_capacity(given.len());
    for collection in given {
        let given = required("an element of collections", collection)?;
        let id = check_collection(declaration, credential_id, &given)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.is_empty() {
        return Err(invalid("a sync needs at least one collection")
            .set_detail("The array collections is empty.")
            .set_hint("SELECT collection_id FROM sequin.collections lists those there are."));
    }
    Ok(ids.into_iter().map(|id| id.as_str().to_owned()).collect())
}

fn check_frequency(given: &str) -> Result<String> {
    given.parse::<Frequency>().map(|frequency| frequency.to_string()).map_err(|problem| {
        invalid(format!("invalid frequency {given:?}"))
            .set_detail(format!("{given:?} is {problem}."))
            .set_hint(frequency::EXPECTED)
    })
}

fn check_rate_limit(given: Document) -> Result<JsonB> {
    let refuse = |problem: String| {
        invalid("invalid rate_limit")
            .set_detail(format!("{problem}: {:.200}.", given.text()))
            .set_hint(r#"Write it like {"allowed_requests": 10, "interval": 1, "max_concurrent_requests": 5}, the interval in seconds."#)
    };
    let limit: RateLimit =
        given.parse().and_then(serde_json::from_value).map_err(|problem| refuse(problem.to_string()))?;
    let limit = limit.check().map_err(|problem| refuse(problem.to_string()))?;
    serde_json::to_value(limit).map(JsonB).map_err(|problem| refuse(problem.to_string()))
}

fn check_max_age(given: Interval) -> Result<Interval> {
    if store::syncs::is_age(given)? {
        Ok(given)
    } else {
        Err(invalid("invalid max_age")
            .set_detail("It is not longer than nothing, or longer than 1000 years.")
            .set_hint("Write it like max_age => '90 days', or leave it out for everything."))
    }
}

fn add_collections(declaration: &Arc<Declaration>, sync: &Sync, ids: &[String]) -> Result<()> {
    for id in ids {
        let feed =
            CollectionRef::of_id(declaration, id).and_then(|collection| collection.changes.feed.clone());
        store::syncs::add_collection(sync, id, feed.as_deref(), store::new_id())?;
    }
    Ok(())
}
