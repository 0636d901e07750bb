//! What can be synced: the providers that are declared, for the views `sequin.providers` and `sequin.collections`.

use crate::{
    error::{Result, error, unknown},
    store::{self, kinds::Discovered},
};
use pgrx::{JsonB, Uuid, prelude::*};
use sequin_domain::{collection::CollectionId, mutation::Action};
use sequin_provider::{
    catalogue,
    declaration::{Collection, CollectionRef, Declaration, FieldType, Paths},
    moment::MomentFormat,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

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
            name!(options, JsonB),
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
            options(&declaration),
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

/// What syncs can say of what they are to read: what each option names, and which collections are found by it.
fn options(declaration: &Declaration) -> JsonB {
    let is_by = |collection: &&Collection, option: &str| match &collection.path {
        Paths::ByOption(paths) => paths.iter().any(|path| path.option == option),
        Paths::One(_) => false,
    };
    let described = declaration.options.iter().map(|(name, option)| {
        let collections =
            declaration.collections.iter().filter(|collection| is_by(collection, name.as_str()));
        let ids: Vec<String> = collections
            .map(|of| CollectionId::new(&declaration.provider, &of.name).as_str().to_owned())
            .collect();
        let described = json!({
            "description": option.description, "segments": option.segments, "collections": ids,
        });
        (name.clone(), described)
    });
    JsonB(Value::Object(described.collect()))
}

/// What APIs have told of kinds of objects that are collections, with each credential.
#[allow(clippy::type_complexity, reason = "the columns of the function")]
#[pg_extern(name = "_discovered_collections", stable, parallel_restricted)]
fn discovered_collections() -> Result<
    TableIterator<
        'static,
        (
            name!(credential_id, Uuid),
            name!(provider, String),
            name!(collection_id, String),
            name!(name, String),
            name!(title, String),
            name!(changes, String),
            name!(deletes, String),
        ),
    >,
> {
    let all = store::providers::all()?;
    let mut rows = Vec::new();
    // An account has thousands of kinds, and all that one template makes are read alike.
    let mut ways: BTreeMap<(String, String), Option<(String, String)>> = BTreeMap::new();
    for Discovered { credential_id, provider, kind } in store::kinds::all_there()? {
        let ways_of = || {
            let declaration = all.iter().find(|declaration| declaration.provider == provider)?;
            let collection = declaration.collection_of(&kind)?;
            Some((changes(&collection), deletes(&collection)))
        };
        let ways = ways.entry((provider.clone(), kind.template.clone())).or_insert_with(ways_of);
        let Some((changes, deletes)) = ways.clone() else { continue };
        let id = CollectionId::new(&provider, &kind.collection).as_str().to_owned();
        rows.push((credential_id, provider, id, kind.collection, kind.title, changes, deletes));
    }
    Ok(TableIterator::new(rows))
}

/// The identifier of a collection, for the functions that are written in SQL.
#[pg_extern(name = "_collection_id", stable, parallel_restricted)]
fn collection_id(collection: &str) -> Result<String> {
    find(collection).map(|found| found.id().as_str().to_owned())
}

/// The fields of a collection, with where they are and how they are written; by name.
#[allow(clippy::type_complexity, reason = "the columns of the function")]
#[pg_extern(name = "_declared_fields", stable, parallel_restricted)]
fn declared_fields(
    collection: &str,
) -> Result<
    TableIterator<
        'static,
        (
            name!(name, String),
            name!(field_type, String),
            name!(path, Vec<String>),
            name!(moment_format, Option<String>),
            name!(is_quoted, bool),
            name!(is_id, bool),
        ),
    >,
> {
    let collection = find(collection)?;
    let id = collection.shape().id;
    let is_scoped = collection.scoped;
    let fields = collection.fields.iter().map(|(name, field)| {
        let pointer = field.pointer(name);
        (
            name.clone(),
            field.field_type.name().to_owned(),
            pointer.keys().to_vec(),
            field.moment_format().map(|format| format.name().to_owned()),
            field.quoted,
            // With the parent's in front it is another text than the object has.
            field.field_type == FieldType::Text && *pointer == id && !is_scoped,
        )
    });
    Ok(TableIterator::new(fields.collect::<Vec<_>>()))
}

/// What can be done to the objects of a collection, in one row: the actions, the places in an object of what is given to two
/// of them, the place of it in what is given, where its id is, and how something is unset.
#[allow(clippy::type_complexity, reason = "the columns of the function")]
#[pg_extern(name = "_declared_writes", stable, parallel_restricted)]
fn declared_writes(
    collection: &str,
) -> Result<
    TableIterator<
        'static,
        (
            name!(actions, Vec<String>),
            name!(create_place, Vec<String>),
            name!(update_place, Vec<String>),
            name!(part, Option<Vec<String>>),
            name!(id_path, Vec<String>),
            name!(merges, bool),
            name!(unset, Option<String>),
        ),
    >,
> {
    let collection = find(collection)?;
    let part = collection.writes.part.as_ref().map(|part| part.keys().to_vec());
    let place = |action: Action| {
        let of_request = || collection.writes.of(action).map(|write| write.place_in_object().to_vec());
        part.clone().or_else(of_request).unwrap_or_default()
    };
    let writing = collection.declaration.writes.as_ref();
    Ok(TableIterator::once((
        collection.writes.all().map(|(action, _)| action.as_str().to_owned()).collect(),
        place(Action::Create),
        place(Action::Update),
        part.clone(),
        collection.shape().id.keys().to_vec(),
        writing.is_some_and(|writing| writing.merges),
        writing.and_then(|writing| writing.unset.clone()),
    )))
}

/// The fields of a collection's objects as APIs have told of them, with the credentials of the syncs that bring it: of this
/// stream and this sync, where they are given. None of a collection of which they don't tell the types; but where others are
/// declared, all of them as one, as long as nothing is known. A field that has the name of a declared one is called by its
/// whole place.
#[allow(clippy::type_complexity, reason = "the columns of the function")]
#[pg_extern(name = "_described_fields", stable, parallel_restricted)]
fn described_fields(
    collection: &str,
    stream: Option<Uuid>,
    sync: Option<Uuid>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(name, String),
            name!(field_type, String),
            name!(path, Vec<String>),
            name!(moment_format, Option<String>),
            name!(is_quoted, bool),
            name!(is_id, bool),
        ),
    >,
> {
    let collection = find(collection)?;
    let Some(list) = &collection.properties else { return Ok(TableIterator::new(Vec::new())) };
    let id = collection.shape().id;
    let mut fields: BTreeMap<String, FieldType> = BTreeMap::new();
    for (names, types) in store::discovered::described(collection.id().as_str(), stream, sync)? {
        for (name, own) in names.into_iter().zip(types) {
            let own = FieldType::of_name(&own).unwrap_or(FieldType::Text);
            match fields.entry(name) {
                Entry::Vacant(field) => {
                    field.insert(own);
                }
                // Accounts have different fields under one name.
                Entry::Occupied(mut field) if *field.get() != own => {
                    field.insert(FieldType::Text);
                }
                Entry::Occupied(_) => {}
            }
        }
    }
    if let Some(place) = list.place_of_all().filter(|_| fields.is_empty() && !collection.fields.is_empty()) {
        let all = (place.join("."), FieldType::Jsonb.name().to_owned(), place, None, false, false);
        return Ok(TableIterator::once(all));
    }
    let fields = fields.into_iter().map(|(name, field_type)| {
        let path = list.place(&name);
        let is_id = field_type == FieldType::Text && id.keys() == path && !collection.scoped;
        let format = (field_type == FieldType::Timestamptz).then(|| MomentFormat::Iso8601.name().to_owned());
        let name = if collection.fields.contains_key(&name) { path.join(".") } else { name };
        (name, field_type.name().to_owned(), path, format, list.is_quoted(field_type), is_id)
    });
    Ok(TableIterator::new(fields.collect::<Vec<_>>()))
}

/// The collections of this identifier that were discovered, with or without the provider: one of each provider.
pub(super) fn discovered(given: &str) -> Result<Vec<CollectionRef>> {
    let mut found = Vec::new();
    for (provider, kind) in store::kinds::find(given)? {
        if let Some(declaration) = store::providers::find(&provider)? {
            let declaration = Arc::new(declaration.with_kinds(std::slice::from_ref(&kind)));
            found.extend(CollectionRef::new(&declaration, &kind.collection));
        }
    }
    Ok(found)
}

/// The collection that `given` names; the provider may be left out where no other one has such a collection.
fn find(given: &str) -> Result<CollectionRef> {
    let all = store::providers::all()?;
    let mut found: Vec<CollectionRef> =
        all.iter().filter_map(|declaration| CollectionRef::of_id(declaration, given)).collect();
    for collection in discovered(given)? {
        // One that was discovered may have been declared since.
        if found.iter().all(|other| other.id() != collection.id()) {
            found.push(collection);
        }
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => {
            let ids = all.iter().flat_map(|declaration| {
                declaration
                    .collections
                    .iter()
                    .map(move |of| CollectionId::new(&declaration.provider, &of.name))
            });
            let ids: Vec<CollectionId> = ids.collect();
            let otherwise = "SELECT collection_id FROM sequin.collections lists those there are.";
            let as_given: fn(&CollectionId) -> &str =
                if given.contains(':') { CollectionId::as_str } else { CollectionId::name };
            Err(unknown("collection", given, ids.iter().map(as_given), otherwise))
        }
        _ => {
            let ids: Vec<String> = found.iter().map(|found| found.id().to_string()).collect();
            Err(error(
                PgSqlErrorCode::ERRCODE_AMBIGUOUS_PARAMETER,
                format!("several providers have a collection {given:?}"),
            )
            .set_detail(format!("These are {}.", ids.join(", ")))
            .set_hint("Give the provider too, as they are written here."))
        }
    }
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
        collection.deletes_poll().map(|seconds| format!("list of deletions each {seconds} s")),
        changes.sweep.map(|seconds| format!("sweep each {seconds} s")),
    ];
    let how = how.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if how.is_empty() { "not at all".to_owned() } else { how }
}
