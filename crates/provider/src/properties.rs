//! Which properties an API's objects have, where they differ from account to account and it tells them itself.

use crate::{
    answer::{Answer, word},
    declaration::{CollectionRef, Declaration, FieldType, Pagination, PropertyList},
    pointer,
    record::identifier,
    request::at_path,
};
use sequin_domain::failure::Failure;
use serde_json::value::RawValue;
use url::Url;

/// More properties than this are a mistake: their names are sent with each request.
const MOST: usize = 10_000;

/// A property that objects have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    pub name: String,
    /// What it is in SQL, where the API tells.
    pub field_type: Option<FieldType>,
}

/// Where they are listed; `None` where the collection's objects have the same for everybody.
pub fn url(base: &Url, collection: &CollectionRef) -> Option<Url> {
    Some(at_path(base, &collection.properties.as_ref()?.path))
}

/// Those in the answer, by name in the order of the alphabet.
pub fn interpret(collection: &CollectionRef, answer: &Answer) -> Result<Vec<Property>, Failure> {
    let text = answer.text(&collection.declaration)?;
    let Some(list) = &collection.properties else {
        return Err(answer.bad_data("the collection has no list of properties"));
    };
    let mut properties =
        read(&collection.declaration, list, &text, answer).map_err(|problem| answer.bad_data(problem))?;
    properties.sort_by(|one, other| one.name.cmp(&other.name));
    properties.dedup_by(|one, other| one.name == other.name);
    Ok(properties)
}

fn read(
    declaration: &Declaration,
    list: &PropertyList,
    text: &str,
    answer: &Answer,
) -> Result<Vec<Property>, String> {
    let items = Pagination::whole(list.items.clone()).read(text, answer)?.items;
    if items.len() > MOST {
        return Err(format!("it lists {} properties", items.len()));
    }
    let property = |item: &RawValue| -> Result<Property, String> {
        let [name] = pointer::follow(item.get(), [Some(&list.name)]).map_err(|error| error.to_string())?;
        let name =
            name.and_then(identifier).ok_or_else(|| format!("a property has no name at {}", list.name))?;
        let field_type = list.property_type.as_ref().map(|at| {
            let own = word(item.get(), Some(at));
            own.and_then(|own| declaration.property_types.get(&own).copied()).unwrap_or(FieldType::Text)
        });
        Ok(Property { name, field_type })
    };
    items.into_iter().map(property).collect()
}
