//! What can be synced: the providers that are declared, for the views `sequin.providers` and `sequin.collections`.

use crate::{error::Result, store};
use pgrx::{JsonB, prelude::*};
use sequin_domain::collection::CollectionId;
use sequin_provider::{catalogue, declaration::Collection};

#[allow(clippy::type_complexity, reason = "the columns of the function")]
#[pg_extern(name = "_declared_providers", stable, parallel_restricted)]
fn declared_providers() -> Result<
    TableIterator<
        'static,
        (
            name!(name, String),
            name!(title, String),
            name!(documentation, String),
            name!(base_url, String),
            name!(credential_kinds, Vec<String>),
            name!(rate_limit, Option<JsonB>),
            name!(version, Option<String>),
            name!(is_built_in, bool),
        ),
    >,
> {
    let all = store::providers::all()?;
    Ok(TableIterator::new(all.into_iter().map(|declaration| {
        (
            declaration.provider.clone(),
            declaration.title.clone(),
            declaration.documentation.clone(),
            declaration.base_url.clone(),
            declaration.authentication.iter().map(|kind| kind.kind.clone()).collect(),
            serde_json::to_value(declaration.rate_limit.rate_limit()).ok().map(JsonB),
            declaration.version.clone(),
            catalogue::find(&declaration.provider).is_some(),
        )
    })))
}

#[allow(clippy::type_complexity, reason = "the columns of the function")]
#[pg_extern(name = "_declared_collections", stable, parallel_restricted)]
fn declared_collections() -> Result<
    TableIterator<
        'static,
        (
            name!(provider, String),
            name!(collection_id, String),
            name!(name, String),
            name!(title, String),
            name!(parent_collection_id, Option<String>),
            name!(changes, String),
            name!(deletes, String),
        ),
    >,
> {
    let all = store::providers::all()?;
    Ok(TableIterator::new(all.into_iter().flat_map(|declaration| {
        let rows = declaration.collections.iter().map(|collection| {
            let id = |name: &str| CollectionId::new(&declaration.provider, name).as_str().to_owned();
            (
                declaration.provider.clone(),
                id(&collection.name),
                collection.name.clone(),
                collection.title.clone(),
                collection.parent.as_ref().map(|parent| id(&parent.collection)),
                changes(collection),
                deletes(collection),
            )
        });
        rows.collect::<Vec<_>>()
    })))
}

/// How changes are noticed, in words.
fn changes(collection: &Collection) -> String {
    let changes = &collection.changes;
    let what = if changes.of_parents {
        "what has changed parents"
    } else if collection.updated.is_some() {
        "changes"
    } else {
        "new objects"
    };
    let how = [
        changes.feed.as_ref().map(|feed| format!("feed {feed}")),
        changes.poll.map(|seconds| format!("poll of {what} each {seconds} s")),
        changes.sweep.map(|seconds| format!("sweep each {seconds} s")),
    ];
    how.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// How deletions are noticed, in words.
fn deletes(collection: &Collection) -> String {
    let changes = &collection.changes;
    let how = [
        changes.feed.as_ref().map(|feed| format!("feed {feed}")),
        collection
            .deleted
            .as_ref()
            .and(changes.poll)
            .map(|seconds| format!("list of deletions each {seconds} s")),
        changes.sweep.map(|seconds| format!("sweep each {seconds} s")),
    ];
    let how = how.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if how.is_empty() { "not at all".to_owned() } else { how }
}
