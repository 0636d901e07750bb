//! What a sync says of what it is to read.

use super::object;
use crate::{
    error::{Result, invalid},
    pg::document::Document,
};
use pgrx::JsonB;
use sequin_provider::{
    declaration::{CollectionRef, Declaration, OptionValues},
    listing::Listing,
};
use serde_json::Value;
use std::sync::Arc;

/// The options of a sync of these collections.
pub(super) fn check(
    declaration: &Arc<Declaration>,
    collections: &[String],
    given: Option<Document>,
) -> Result<JsonB> {
    let options = Value::Object(object("options", given)?);
    check_stored(declaration, collections, &options)?;
    Ok(JsonB(options))
}

/// Whether these options of a sync, as they are stored, will do for these collections.
pub(super) fn check_stored(
    declaration: &Arc<Declaration>,
    collections: &[String],
    options: &Value,
) -> Result<()> {
    let values = declaration.read_options(options).map_err(|(name, problem)| {
        invalid(format!("invalid option {name:?}"))
            .set_detail(format!("Of the option {name:?}: {problem}."))
            .set_hint(known(declaration))
    })?;
    check_scope(declaration, collections, values)
}

/// A collection that is found by options needs one of them.
fn check_scope(declaration: &Arc<Declaration>, collections: &[String], values: OptionValues) -> Result<()> {
    let options = Arc::new(values);
    let lists_nothing = |id: &&String| {
        let collection = CollectionRef::of_id(declaration, id).map(Listing::whole);
        let listing = collection.map(|whole| Listing { options: options.clone(), ..whole });
        listing.is_some_and(|listing| listing.start().is_none())
    };
    match collections.iter().find(lists_nothing) {
        None => Ok(()),
        Some(id) => Err(invalid(format!("{id} needs another option"))
            .set_detail(format!("None of the options that are given says where {id} is to be looked for."))
            .set_hint(known(declaration))),
    }
}

/// The options that there are, as a hint.
fn known(declaration: &Declaration) -> String {
    let described: Vec<String> = declaration
        .options
        .iter()
        .map(|(name, option)| format!("{name:?} ({})", option.description))
        .collect();
    match described.as_slice() {
        [] => format!("Syncs of {} take no options: leave them out.", declaration.provider),
        options => format!("Syncs of {} have the options {}.", declaration.provider, options.join(", ")),
    }
}
