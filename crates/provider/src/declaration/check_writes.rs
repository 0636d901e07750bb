//! What a declaration must not say of changes.

use super::{
    Collection, Declaration, Encoding, Write,
    check::{Checked, path, refuse},
};
use crate::body::Body;
use http::HeaderName;
use sequin_domain::mutation::Action;

impl Declaration {
    pub(super) fn check_writing(&self) -> Checked {
        match self.writes.as_ref().and_then(|writing| writing.idempotency.as_ref()) {
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
        let mut writes = collection.writes.all().peekable();
        if writes.peek().is_none() {
            return Ok(());
        }
        let Some(writing) = &self.writes else {
            return refuse("/writes", "it is needed where a collection has writes");
        };
        for (action, write) in writes {
            let place = format!("{place}/writes/{action}");
            check_write(&place, action, write, writing.encoding)?;
            let is_childs = collection.parent.as_ref().is_some_and(|parent| parent.id_from.is_none());
            if is_childs && !write.gone && write.parent.is_none() {
                let problem = "without parent.id_from, or a parent in what is given, nobody knows whose child the answer shows";
                return refuse(place, problem);
            }
        }
        Ok(())
    }
}

fn check_write(place: &str, action: Action, write: &Write, encoding: Encoding) -> Checked {
    let at = |key: &str| format!("{place}{key}");
    path(&at("/path"), &write.path)?;
    let mut names: Vec<&str> = write.path.names().collect();
    if let Some(body) = &write.body {
        check_body(&at("/body"), write, body)?;
        if names.is_empty() && body.has("id") {
            names.push("id");
        }
    }
    match (action, names.as_slice()) {
        (Action::Create | Action::Upsert, []) => {}
        (Action::Update | Action::Delete | Action::Upsert, ["id"]) => {}
        (Action::Create, _) => {
            return refuse(at("/path"), "what is not there yet has no {id}, nor anything of its kind");
        }
        _ => return refuse(at("/path"), "it must have {id} in it, and nothing else of its kind"),
    }
    if write.gone && action != Action::Delete {
        return refuse(at("/gone"), "only what is deleted is gone");
    }
    if write.wrap.is_some() && encoding != Encoding::Json {
        return refuse(at("/wrap"), "it is for bodies that are JSON");
    }
    Ok(())
}

fn check_body(at: &str, write: &Write, body: &Body) -> Checked {
    if !body.is_object() {
        return refuse(at, "it must be an object");
    }
    if write.wrap.is_some() {
        return refuse(at, "it says itself where what is given stands, and goes without wrap");
    }
    if body.has("key") != write.key_lifetime.is_some() {
        return refuse(at, "it has {key} in it if there is a key_lifetime");
    }
    match body.unknown(|name| matches!(name, "id" | "key" | "data") || name.starts_with("data.")) {
        Some(unknown) => {
            refuse(at, format!("{{{unknown}}} is none of {{data}}, {{data.a}}, {{id}} and {{key}}"))
        }
        None => Ok(()),
    }
}
