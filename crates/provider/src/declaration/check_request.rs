//! What a declaration must not say of requests with a body.

use super::{
    BodyForm, Collection, Declaration, Pagination, Parent, Paths, Retrieve, UpdatedBound,
    check::{Checked, constant_path, path, refuse},
    collection::NAME,
};
use crate::body::Body;

impl Declaration {
    pub(super) fn check_requests(&self, place: &str, collection: &Collection) -> Checked {
        let at = |key: &str| format!("{place}{key}");
        let pagination = collection.pagination.as_ref().unwrap_or(&self.pagination);
        let is_one_list = collection.parent.is_none() && matches!(collection.path, Paths::One(_));
        let form = collection.body_as;
        if let Some(body) = &collection.body {
            let created = collection.created.iter().flat_map(|created| [&created.from, &created.before]);
            let updated = collection.updated.iter().filter(|updated| updated.path.is_none());
            let names = created.chain(updated.map(|updated| &updated.from)).flatten().cloned().collect();
            check_body(&at("/body"), body, form, Some(pagination), names, collection.parent.is_some())?;
        }
        if let Some(parent) = collection.parent.as_ref().and_then(|parent| self.find(&parent.collection)) {
            self.check_parents_list(&at("/parent/list"), collection, parent)?;
        }
        if let Some(updated) = &collection.updated {
            check_changes(&at("/updated"), updated, form, pagination, is_one_list)?;
        }
        if let Some(deleted) = &collection.deleted
            && let Some(body) = &deleted.body
        {
            let pagination = deleted.pagination.as_ref().unwrap_or(pagination);
            let names = deleted.from.iter().cloned().collect();
            check_body(&at("/deleted/body"), body, form, Some(pagination), names, false)?;
        }
        if let Some(batch) = &collection.batch {
            if !is_one_list {
                return refuse(at("/batch"), "it is for collections that are in one list");
            }
            constant_path(&at("/batch/path"), &batch.path)?;
            let names = ["ids"].into_iter().chain(collection.properties.as_ref().map(|_| "properties"));
            let names = names.map(str::to_owned).collect();
            check_body(&at("/batch/body"), &batch.body, BodyForm::Json, None, names, false)?;
            if batch.retrieves && collection.retrieve.is_some() {
                return refuse(at("/batch/retrieves"), "there is a retrieve for that");
            }
        }
        if let Some(together) = &collection.together {
            let is_by_id = collection.names_of_parent().all(|name| name == "parent.id");
            let is_bare = |parent: &Parent| parent.embedded.is_none();
            if !is_by_id || !collection.parent.as_ref().is_some_and(is_bare) {
                let problem =
                    "it is for what stands beneath a parent whose id is all that is needed, and not in it";
                return refuse(at("/together"), problem);
            }
            constant_path(&at("/together/path"), &together.path)?;
            let names = vec!["ids".to_owned()];
            check_body(&at("/together/body"), &together.body, BodyForm::Json, None, names, false)?;
        }
        match &collection.properties {
            Some(_) if collection.batch.is_none() && collection.bulk.is_none() => {
                return refuse(at("/properties"), "they go with a batch or a bulk, which names them");
            }
            Some(properties) => {
                constant_path(&at("/properties/path"), &properties.path)?;
                let is_name = |key: &&String| *key == NAME;
                if properties.at.as_ref().is_some_and(|at| at.keys().iter().filter(is_name).count() != 1) {
                    return refuse(at("/properties/at"), format!("one of its keys must be {NAME}"));
                }
            }
            None if collection.deleted.as_ref().is_some_and(|deleted| deleted.property.is_some()) => {
                return refuse(
                    at("/deleted/property"),
                    "it is for collections whose properties the API tells",
                );
            }
            None => {}
        }
        Ok(())
    }
}

fn check_changes(
    place: &str,
    updated: &UpdatedBound,
    form: BodyForm,
    pagination: &Pagination,
    is_one_list: bool,
) -> Checked {
    let at = |key: &str| format!("{place}{key}");
    let pagination = updated.pagination.as_ref().unwrap_or(pagination);
    let from = || updated.from.iter().cloned();
    match &updated.path {
        Some(_) if !is_one_list => {
            return refuse(at("/path"), "it is for collections that are in one list");
        }
        Some(path) => constant_path(&at("/path"), path)?,
        None if updated.body.is_some() => return refuse(at("/body"), "it goes with a path"),
        None if updated.pagination.is_some() => return refuse(at("/pagination"), "it goes with a path"),
        None => {}
    }
    if let Some(body) = &updated.body {
        check_body(&at("/body"), body, form, Some(pagination), from().collect(), false)?;
    }
    if let Some(ties) = &updated.ties {
        if !updated.ascending {
            return refuse(at("/ties"), "they go with a list that is ascending");
        }
        let names = from().chain(["id".to_owned()]).collect();
        check_body(&at("/ties/body"), &ties.body, form, Some(pagination), names, false)?;
    }
    Ok(())
}

/// `place`: that of `retrieve`.
pub(super) fn check_retrieve(place: &str, retrieve: &Retrieve, is_scoped: bool) -> Checked {
    path(place, &retrieve.path)?;
    let (known, problem) = match is_scoped {
        true => (&["parent.id", "id"][..], "it must have {parent.id} and {id} in it, and nothing else"),
        false => (&["id"][..], "it must have {id} in it, and nothing else of its kind"),
    };
    let is_known = |name: &str| known.contains(&name);
    let is_right = match &retrieve.body {
        None => retrieve.path.names().eq(known.iter().copied()),
        Some(body) if !body.is_object() => {
            return refuse(format!("{place}/body"), "it must be an object");
        }
        Some(body) => {
            known.iter().all(|name| retrieve.names().any(|own| own == *name))
                && retrieve.path.names().all(is_known)
                && body.unknown(is_known).is_none()
        }
    };
    if is_right { Ok(()) } else { refuse(place, problem) }
}

impl Declaration {
    /// How the parents of a collection are listed for its sake.
    fn check_parents_list(&self, place: &str, collection: &Collection, parents: &Collection) -> Checked {
        let Some(list) = collection.parent.as_ref().and_then(|parent| parent.list.as_ref()) else {
            return Ok(());
        };
        let at = |key: &str| format!("{place}{key}");
        let own = parents.pagination.as_ref().unwrap_or(&self.pagination);
        let pagination = list.pagination.as_ref().unwrap_or(own);
        let bounds = parents.created.iter().flat_map(|created| [&created.from, &created.before]).flatten();
        let is_looked_at = collection.changes.of_parents;
        let since = parents.updated.as_ref().and_then(|updated| updated.from.as_ref());
        let names = bounds.chain(since.filter(|_| is_looked_at)).cloned().collect();
        check_body(&at("/body"), &list.body, parents.body_as, Some(pagination), names, false)
    }
}

/// `names`: what the body has to have in it, beside the parameters of the pagination. `is_beneath`: it knows the parent.
fn check_body(
    at: &str,
    body: &Body,
    form: BodyForm,
    pagination: Option<&Pagination>,
    mut names: Vec<String>,
    is_beneath: bool,
) -> Checked {
    if !body.is_object() {
        return refuse(at, "it must be an object");
    }
    match pagination {
        Some(Pagination::LinkHeader { .. } | Pagination::NextUrl { .. }) if form == BodyForm::Json => {
            return refuse(at, "a list that goes on at a URL has no body");
        }
        Some(pagination) => names.extend(pagination.parameter_names().map(str::to_owned)),
        None => {}
    }
    if let Some(missing) = names.iter().find(|name| !body.has(name)) {
        return refuse(at, format!("it must have the parameter {{{missing}}} in it"));
    }
    let is_known =
        |name: &str| names.iter().any(|known| known == name) || (is_beneath && name.starts_with("parent."));
    match body.unknown(is_known) {
        Some(unknown) => {
            refuse(at, format!("{{{unknown}}} is none of its parameters, which are {}", names.join(", ")))
        }
        None => Ok(()),
    }
}
