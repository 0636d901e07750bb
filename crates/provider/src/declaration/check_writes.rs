//! What a declaration must not say of changes.

use super::{
    Collection, Declaration, Encoding, Write, WriteBatch, WriteMethod, Writing,
    check::{Checked, constant_path, path, refuse},
    writes::{is_given, is_own, is_parents},
};
use crate::{body::Body, pointer::Pointer, template::Template};
use http::HeaderName;
use sequin_domain::mutation::Action;

impl Declaration {
    pub(super) fn check_writing(&self) -> Checked {
        let Some(writing) = &self.writes else { return Ok(()) };
        if writing.unset.is_some() && writing.encoding == Encoding::Form {
            return refuse("/writes/unset", "a form has an empty text for that");
        }
        if writing.id.is_some() && !writing.read_back {
            return refuse("/writes/id", "it goes with read_back: elsewhere answers show objects");
        }
        match &writing.idempotency {
            Some(idempotency) if HeaderName::try_from(&idempotency.header).is_err() => {
                refuse("/writes/idempotency/header", "it can't be the name of an HTTP header")
            }
            Some(idempotency) if idempotency.lifetime == 0 => {
                refuse("/writes/idempotency/lifetime", "it must be at least a second")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_writes(&self, place: &str, collection: &Collection) -> Checked {
        let at = |key: &str| format!("{place}/writes/{key}");
        let writes = &collection.writes;
        if let Some(look) = &writes.look {
            path(&at("look"), look)?;
            if !look.names().any(is_own) || look.names().any(is_given) {
                return refuse(at("look"), "it must have {id} in it, or something else of the object");
            }
            check_parents(&at("look"), look, collection)?;
        }
        let mut all = writes.all().peekable();
        if all.peek().is_none() {
            return match (&writes.look, writes.omit.is_empty(), &writes.part) {
                (None, true, None) => Ok(()),
                _ => refuse(format!("{place}/writes"), "there is nothing that can be done"),
            };
        }
        if writes.part.as_ref().is_some_and(Pointer::is_root) {
            return refuse(at("part"), "it must lead to a part of the object");
        }
        if writes.part.is_some() && writes.all().any(|(_, write)| write.wrap.is_some()) {
            return refuse(at("part"), "what is wrapped has a place already");
        }
        let Some(writing) = &self.writes else {
            return refuse("/writes", "it is needed where a collection has writes");
        };
        if writing.read_back && collection.retrieve.is_none() && collection.batch.is_none() {
            return refuse(
                format!("{place}/retrieve"),
                "it or a batch is needed where what was changed is read anew",
            );
        }
        for (action, write) in all {
            let place = at(action.as_str());
            check_write(&place, action, write, writing, collection)?;
            let is_childs = collection.parent.as_ref().is_some_and(|parent| parent.id_from.is_none());
            let has_scope = collection.scoped && action != Action::Create;
            if is_childs && !has_scope && !write.names_parent() && !write.gone {
                return refuse(place, "without parent.id_from nobody knows whose child the answer shows");
            }
        }
        Ok(())
    }
}

fn check_parents(at: &str, path: &Template, collection: &Collection) -> Checked {
    match collection.parent {
        None if path.names().any(is_parents) => refuse(at, "it names a parent, and the collection has none"),
        _ => Ok(()),
    }
}

fn check_write(
    place: &str,
    action: Action,
    write: &Write,
    writing: &Writing,
    collection: &Collection,
) -> Checked {
    let at = |key: &str| format!("{place}{key}");
    path(&at("/path"), &write.path)?;
    check_parents(&at("/path"), &write.path, collection)?;
    if let Some(body) = &write.body {
        check_body(&at("/body"), write, body, collection)?;
    }
    let names_itself = write.names_object();
    match action {
        Action::Create if names_itself => {
            return refuse(at("/path"), "what is not there yet has no {id}, nor anything of its kind");
        }
        Action::Update | Action::Delete if !names_itself => {
            return refuse(at("/path"), "it must have {id} in it, or something else of the object");
        }
        Action::Update | Action::Delete if write.path.names().any(is_given) => {
            return refuse(at("/path"), "what is given says nothing of where an object is that is there");
        }
        Action::Upsert if write.path.names().any(|name| name != "id" && is_own(name)) => {
            let problem =
                "what may not be there yet has at most an {id}, what is given, and what its parent has";
            return refuse(at("/path"), problem);
        }
        _ => {}
    }
    if !write.known_by.is_empty() && (action != Action::Upsert || names_itself) {
        return refuse(at("/known_by"), "it is for an upsert without {id}");
    }
    if action == Action::Upsert && !names_itself && write.known_by.is_empty() {
        return refuse(
            at("/known_by"),
            "it is needed, as upserts of one object are made one after the other",
        );
    }
    if write.gone && action != Action::Delete {
        return refuse(at("/gone"), "only what is deleted is gone");
    }
    if write.wrap.is_some() && writing.encoding != Encoding::Json {
        return refuse(at("/wrap"), "it is for bodies that are JSON");
    }
    if let Some(find) = &write.find {
        path(&at("/find/path"), &find.path)?;
        check_parents(&at("/find/path"), &find.path, collection)?;
        if !find.path.names().any(is_given) || find.path.names().any(is_own) {
            return refuse(at("/find/path"), "it must have something that is given in it, as {data.name}");
        }
        if !matches!(action, Action::Create | Action::Update) {
            return refuse(at("/find"), "it is for what is created or updated");
        }
    }
    match &write.batch {
        Some(batch) => check_batch(&at("/batch"), write, batch, writing),
        None => Ok(()),
    }
}

fn check_batch(place: &str, write: &Write, batch: &WriteBatch, writing: &Writing) -> Checked {
    let at = |key: &str| format!("{place}{key}");
    constant_path(&at("/path"), &batch.path)?;
    if writing.encoding != Encoding::Json {
        return refuse(place, "it is for bodies that are JSON");
    }
    if writing.idempotency.is_some() || write.key_lifetime.is_some() {
        return refuse(place, "a key for idempotency is that of one change");
    }
    if write.path.names().any(|name| name != "id") {
        return refuse(place, "it is for changes whose path has nothing but {id} in it");
    }
    if batch.query.values().flat_map(Template::names).any(|name| name != "ids") {
        return refuse(at("/query"), "it knows nothing but {ids}");
    }
    if batch.items.is_none() && !batch.query.values().flat_map(Template::names).any(|name| name == "ids") {
        return refuse(at("/items"), "it is needed, unless the query has {ids}");
    }
    if batch.items.is_some() && batch.method == WriteMethod::Delete {
        return refuse(at("/items"), "many servers pass the body of a DELETE by");
    }
    for (key, body, known) in [("/with", &batch.with, &[][..]), ("/item", &batch.item, &["id", "key"][..])] {
        let Some(body) = body else { continue };
        if !body.is_object() {
            return refuse(at(key), "it must be an object");
        }
        if let Some(unknown) = body.unknown(|name| known.contains(&name)) {
            return refuse(at(key), format!("{{{unknown}}} is nothing that is known"));
        }
    }
    let is_of_results = !batch.matched_by.is_empty() || batch.success.is_some() || batch.errors.is_some();
    if batch.results.is_none() && is_of_results {
        return refuse(at("/results"), "it is needed where the answer tells what came of each");
    }
    if batch.results.is_none() && !write.gone && !writing.read_back {
        return refuse(at("/results"), "it is needed, as nothing else shows what the objects are now");
    }
    if batch.errors.is_some() && batch.matched_by.is_empty() {
        return refuse(at("/matched_by"), "results have an order only where there is one for each");
    }
    Ok(())
}

fn check_body(at: &str, write: &Write, body: &Body, collection: &Collection) -> Checked {
    if !body.is_object() {
        return refuse(at, "it must be an object");
    }
    if write.wrap.is_some() {
        return refuse(at, "it says itself where what is given stands, and goes without wrap");
    }
    if body.has("key") != write.key_lifetime.is_some() {
        return refuse(at, "it has {key} in it if there is a key_lifetime");
    }
    if write.key_lifetime == Some(0) {
        return refuse(at, "its key_lifetime must be at least a second");
    }
    if collection.parent.is_none() && body.has("parent.id") {
        return refuse(at, "it names a parent, and the collection has none");
    }
    match body.unknown(|name| matches!(name, "id" | "parent.id" | "key" | "data") || is_given(name)) {
        Some(unknown) => refuse(
            at,
            format!("{{{unknown}}} is none of {{data}}, {{data.a}}, {{id}}, {{parent.id}} and {{key}}"),
        ),
        None => Ok(()),
    }
}
