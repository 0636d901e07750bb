//! What a declaration must not say of changes.

use super::{
    Collection, Declaration, Encoding, Write,
    check::{Checked, path, refuse},
};
use http::HeaderName;
use sequin_domain::mutation::Action;

impl Declaration {
    pub(super) fn check_writing(&self) -> Checked {
        let Some(writing) = &self.writes else { return Ok(()) };
        if writing.unset.is_some() && writing.encoding == Encoding::Form {
            return refuse("/writes/unset", "a form has an empty text for that");
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
            if is_childs && !write.gone {
                return refuse(place, "without parent.id_from nobody knows whose child the answer shows");
            }
        }
        Ok(())
    }
}

fn check_write(place: &str, action: Action, write: &Write, encoding: Encoding) -> Checked {
    let at = |key: &str| format!("{place}{key}");
    path(&at("/path"), &write.path)?;
    let names: Vec<&str> = write.path.names().collect();
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
