//! Changes to be made at an API: whether one could ever be sent, and taking one back or asking for it once more.

use super::{shown, syncs};
use crate::{
    error::{Result, error, invalid, required},
    pg::{document::Document, role, shared, transaction},
    store,
};
use pgrx::{Uuid, pg_sys::panic::ErrorReport, prelude::*};
use sequin_domain::mutation::Action;
use sequin_provider::{
    declaration::CollectionRef,
    record::LONGEST_ID,
    write::{Change, Stored, Unwritable},
};

/// The longest data of a mutation, in bytes as text: the worker has several at a time in its memory.
const LONGEST_DATA: usize = 1024 * 1024;

/// Refuses what could never be sent; gives what the names stand for.
#[pg_extern(name = "_check_mutation")]
fn check_mutation(
    sync: Option<&str>,
    collection_id: Option<&str>,
    action: Option<&str>,
    upstream_id: Option<&str>,
    data: Option<Document>,
    parent_id: Option<&str>,
) -> Result<
    TableIterator<'static, (name!(sync_id, Uuid), name!(collection_id, String), name!(turn, Option<String>))>,
> {
    let name = required("sync", sync)?;
    let collection = required("collection_id", collection_id)?;
    let action = parse_action(required("action", action)?)?;
    let sync = store::syncs::look_up(name)?.ok_or_else(|| syncs::unknown_sync(name))?;
    let declaration = syncs::declaration(&sync)?;
    let id = syncs::own_collection(&sync, &declaration, collection)?;
    let collection = CollectionRef::new(&declaration, id.name())
        .ok_or_else(|| error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("{id} is not declared")))?;
    for (name, given) in [("upstream_id", upstream_id), ("parent_id", parent_id)] {
        if let Some(given) = given.filter(|given| given.is_empty() || given.len() > LONGEST_ID) {
            return Err(invalid(format!("bad {name}"))
                .set_detail(format!("It has {} bytes: {:?}.", given.len(), shown(given)))
                .set_hint(format!("An id has from 1 to {LONGEST_ID} bytes.")));
        }
    }
    if let Some(data) = data.as_ref().filter(|data| data.text().len() > LONGEST_DATA) {
        return Err(error(PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "data is too large")
            .set_detail(format!("It has {} bytes.", data.text().len()))
            .set_hint(format!("Data can have up to {LONGEST_DATA} bytes.")));
    }
    let mut change = Change {
        collection,
        action,
        upstream_id: upstream_id.map(str::to_owned),
        parent_id: parent_id.map(str::to_owned),
        data: data.map(|data| data.text().to_owned()),
        key: String::new(),
        stored: Stored::default(),
    };
    change.stored = store::mutations::stored(sync.stream_id, sync.id, &change)?;
    change.check().map_err(|problem| refusal(&change, &problem))?;
    Ok(TableIterator::once((sync.id, id.as_str().to_owned(), change.turn())))
}

fn parse_action(given: &str) -> Result<Action> {
    Action::parse(given).ok_or_else(|| {
        invalid(format!("there is no action {:?}", shown(given)))
            .set_detail(format!("action is {:?}.", shown(given)))
            .set_hint(format!("It is {}.", Action::ALL.map(Action::as_str).join(", ")))
    })
}

/// Why a mutation could never be sent, with the value that is wrong.
fn refusal(change: &Change, problem: &Unwritable) -> ErrorReport {
    let Change { collection, action, .. } = change;
    let id = collection.id();
    let words = format!("{id} can't be changed so: {problem}");
    match problem {
        Unwritable::NoSuchAction => {
            let actions: Vec<&str> = collection.writes.all().map(|(action, _)| action.as_str()).collect();
            let hint = if actions.is_empty() {
                format!("Objects of {id} can't be changed at all.")
            } else {
                format!("What can be done is: {}.", actions.join(", "))
            };
            error(
                PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
                format!("{} has no {action} for {id}", collection.declaration.title),
            )
            .set_detail(format!("action is {:?}.", action.as_str()))
            .set_hint(hint)
        }
        Unwritable::NoId => error(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, words)
            .set_detail(format!("upstream_id is null, and the action is {action}."))
            .set_hint("Give the upstream_id of the record."),
        Unwritable::HasId => invalid(words)
            .set_detail(format!("upstream_id is given, and the action is {action}."))
            .set_hint("Leave upstream_id out; an id that the API lets you choose belongs into data."),
        Unwritable::NoParent => error(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, words)
            .set_detail(format!("parent_id is null, and the action is {action}."))
            .set_hint(format!("Give the upstream_id of the {} that it is to be beneath.", parent_of(change))),
        Unwritable::HasParent => invalid(words)
            .set_detail(format!("parent_id is given, and the action is {action}."))
            .set_hint("Leave parent_id out: it is for what is created beneath another object."),
        Unwritable::NotStored => error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, words)
            .set_detail(format!(
                "upstream_id is {:?}.",
                shown(change.upstream_id.as_deref().unwrap_or_default())
            ))
            .set_hint("Give the upstream_id of a record that the sync has read."),
        Unwritable::ParentNotStored => error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, words)
            .set_detail(format!("Its parent is {:?}.", shown(&change.parent().unwrap_or_default())))
            .set_hint(format!(
                "The sync has to have {} among its collections, and to have read it.",
                parent_of(change)
            )),
        Unwritable::Lacks(_) => invalid(words)
            .set_detail(format!(
                "upstream_id is {:?}.",
                shown(change.upstream_id.as_deref().unwrap_or_default())
            ))
            .set_hint("The record is of another shape than the provider's declaration says."),
        Unwritable::NotGiven(name) => error(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, words)
            .set_detail(format!("data is {:.200}.", change.data.as_deref().unwrap_or("null")))
            .set_hint(format!("Give {name} in data, as a text or a whole number.")),
        Unwritable::NoData => error(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, words)
            .set_detail(format!("data is null, and the action is {action}."))
            .set_hint("Give what the API is to be told as a JSON object."),
        Unwritable::BadData(_) | Unwritable::BadKey => invalid(words)
            .set_detail(format!("data is {:.200}.", change.data.as_deref().unwrap_or("null")))
            .set_hint("Give what the API is to be told as a JSON object, as its documentation has it."),
    }
}

/// The collection whose objects those of the change's stand beneath.
fn parent_of(change: &Change) -> String {
    change.collection.parent_collection().map(|parent| parent.id().as_str().to_owned()).unwrap_or_default()
}

/// Has the workers look for mutations, once this transaction has committed.
#[pg_extern(name = "_announce_mutations")]
fn announce_mutations() {
    transaction::on_commit(shared::call_workers);
}

#[pg_extern]
fn retry_mutation(id: Option<Uuid>) -> Result<()> {
    let id = required("id", id)?;
    permitted(id, || if store::mutations::retry(id)? { Ok(()) } else { Err(in_another_state(id, "retried")) })
}

#[pg_extern]
fn dismiss_mutation(id: Option<Uuid>) -> Result<()> {
    let id = required("id", id)?;
    permitted(id, || {
        if store::mutations::dismiss(id)? { Ok(()) } else { Err(in_another_state(id, "dismissed")) }
    })
}

#[pg_extern]
fn cancel_mutation(id: Option<Uuid>) -> Result<bool> {
    let id = required("id", id)?;
    permitted(id, || {
        if store::mutations::cancel(id)? {
            return Ok(true);
        }
        store::mutations::state(id)?.map(|_| false).ok_or_else(|| unknown_mutation(id))
    })
}

/// Runs `body` with the rights of the owner, if the caller may have changes made through the mutation's sync, and has the
/// workers look at what it has changed. What is not granted is refused in the same words as what does not exist.
fn permitted<T>(id: Uuid, body: impl FnOnce() -> Result<T>) -> Result<T> {
    if !role::is_admin() && !store::mutations::is_granted(id)? {
        return Err(unknown_mutation(id));
    }
    let value = role::as_owner(body)?;
    announce_mutations();
    Ok(value)
}

fn in_another_state(id: Uuid, what: &str) -> ErrorReport {
    match store::mutations::state(id) {
        Ok(Some(state)) => error(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("a mutation that is {state} can't be {what}"),
        )
        .set_detail(format!("Mutation {id} is {state}."))
        .set_hint(
            "Only one that is uncertain or failed can; sequin.cancel_mutation is for those that are pending.",
        ),
        Ok(None) => unknown_mutation(id),
        Err(problem) => problem,
    }
}

fn unknown_mutation(id: Uuid) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, "the mutation does not exist")
        .set_detail(format!(
            "There is no mutation with the id {id}, or it is not for the current role to see."
        ))
        .set_hint("One that is finished is removed after sequin.mutation_retention, and with its sync.")
}
