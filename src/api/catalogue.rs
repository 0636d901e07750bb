//! What can be synced: the providers that are declared, for the views `sequin.providers` and `sequin.collections`.

use pgrx::{JsonB, prelude::*};
use sequin_domain::collection::CollectionId;
use sequin_provider::catalogue;

#[allow(clippy::type_complexity, reason = "the columns of the function")]
#[pg_extern(name = "_declared_providers", parallel_safe)]
fn declared_providers() -> TableIterator<
    'static,
    (
        name!(name, String),
        name!(title, String),
        name!(documentation, String),
        name!(base_url, String),
        name!(credential_kinds, Vec<String>),
        name!(rate_limit, Option<JsonB>),
    ),
> {
    TableIterator::new(catalogue::all().iter().map(|declaration| {
        (
            declaration.provider.clone(),
            declaration.title.clone(),
            declaration.documentation.clone(),
            declaration.base_url.clone(),
            declaration.authentication.iter().map(|kind| kind.kind.clone()).collect(),
            serde_json::to_value(declaration.rate_limit).ok().map(JsonB),
        )
    }))
}

#[allow(clippy::type_complexity, reason = "the columns of the function")]
#[pg_extern(name = "_declared_collections", parallel_safe)]
fn declared_collections() -> TableIterator<
    'static,
    (
        name!(provider, String),
        name!(collection_id, String),
        name!(name, String),
        name!(title, String),
        name!(parent_collection_id, Option<String>),
        name!(changes, String),
    ),
> {
    TableIterator::new(catalogue::all().iter().flat_map(|declaration| {
        declaration.collections.iter().map(|collection| {
            let id = |name: &str| CollectionId::new(&declaration.provider, name).as_str().to_owned();
            let changes = &collection.changes;
            let how = [
                changes.feed.as_ref().map(|feed| format!("feed {feed}")),
                changes.poll.map(|seconds| format!("poll each {seconds} s")),
                changes.sweep.map(|seconds| format!("sweep each {seconds} s")),
            ];
            (
                declaration.provider.clone(),
                id(&collection.name),
                collection.name.clone(),
                collection.title.clone(),
                collection.parent.as_ref().map(|parent| id(&parent.collection)),
                how.into_iter().flatten().collect::<Vec<_>>().join(", "),
            )
        })
    }))
}
