//! What a declaration must not say of requests with a body.

use super::{
    Collection, Declaration, Pagination, Paths, UpdatedBound,
    check::{Checked, constant_path, refuse},
};
use crate::body::Body;

impl Declaration {
    pub(super) fn check_requests(&self, place: &str, collection: &Collection) -> Checked {
        let at = |key: &str| format!("{place}{key}");
        let pagination = collection.pagination.as_ref().unwrap_or(&self.pagination);
        let is_one_list = collection.parent.is_none() && matches!(collection.path, Paths::One(_));
        if let Some(body) = &collection.body {
            let created = collection.created.iter().flat_map(|created| [&created.from, &created.before]);
            let updated = collection.updated.iter().filter(|updated| updated.path.is_none());
            let names = created.chain(updated.map(|updated| &updated.from)).flatten().cloned().collect();
            check_body(&at("/body"), body, Some(pagination), names)?;
        }
        if let Some(updated) = &collection.updated {
            check_changes(&at("/updated"), updated, pagination, is_one_list)?;
        }
        if let Some(deleted) = &collection.deleted
            && let Some(body) = &deleted.body
        {
            let pagination = deleted.pagination.as_ref().unwrap_or(pagination);
            check_body(&at("/deleted/body"), body, Some(pagination), deleted.from.iter().cloned().collect())?;
        }
        if let Some(batch) = &collection.batch {
            if !is_one_list {
                return refuse(at("/batch"), "it is for collections that are in one list");
            }
            constant_path(&at("/batch/path"), &batch.path)?;
            let names = ["ids"].into_iter().chain(collection.properties.as_ref().map(|_| "properties"));
            check_body(&at("/batch/body"), &batch.body, None, names.map(str::to_owned).collect())?;
        }
        match &collection.properties {
            Some(_) if collection.batch.is_none() && collection.bulk.is_none() => {
                return refuse(at("/properties"), "they go with a batch or a bulk, which names them");
            }
            Some(properties) => constant_path(&at("/properties/path"), &properties.path)?,
            None => {}
        }
        Ok(())
    }
}

fn check_changes(place: &str, updated: &UpdatedBound, pagination: &Pagination, is_one_list: bool) -> Checked {
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
        check_body(&at("/body"), body, Some(pagination), from().collect())?;
    }
    if let Some(ties) = &updated.ties {
        if !updated.ascending {
            return refuse(at("/ties"), "they go with a list that is ascending");
        }
        let names = from().chain(["id".to_owned()]).collect();
        check_body(&at("/ties/body"), &ties.body, Some(pagination), names)?;
    }
    Ok(())
}

/// `names`: what the body has to have in it, beside the parameters of the pagination.
fn check_body(at: &str, body: &Body, pagination: Option<&Pagination>, mut names: Vec<String>) -> Checked {
    if !body.is_object() {
        return refuse(at, "it must be an object");
    }
    match pagination {
        Some(Pagination::LinkHeader { .. } | Pagination::NextUrl { .. }) => {
            return refuse(at, "a list that goes on at a URL has no body");
        }
        Some(pagination) => names.extend(pagination.parameter_names().map(str::to_owned)),
        None => {}
    }
    if let Some(missing) = names.iter().find(|name| !body.has(name)) {
        return refuse(at, format!("it must have the parameter {{{missing}}} in it"));
    }
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    match body.unknown(&known) {
        Some(unknown) => {
            refuse(at, format!("{{{unknown}}} is none of its parameters, which are {}", known.join(", ")))
        }
        None => Ok(()),
    }
}
