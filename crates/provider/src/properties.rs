//! Which properties an API's objects have, where they differ from account to account and it tells them itself.

use crate::{
    answer::Answer,
    declaration::{CollectionRef, Pagination, PropertyList},
    pointer,
    record::identifier,
    request::at_path,
};
use sequin_domain::failure::Failure;
use url::Url;

/// More properties than this are a mistake: their names are sent with each request.
const MOST: usize = 10_000;

/// Where they are listed; `None` where the collection's objects have the same for everybody.
pub fn url(base: &Url, collection: &CollectionRef) -> Option<Url> {
    Some(at_path(base, &collection.properties.as_ref()?.path))
}

/// The names in the answer, in the order of the alphabet.
pub fn interpret(collection: &CollectionRef, answer: &Answer) -> Result<Vec<String>, Failure> {
    let text = answer.text(&collection.declaration)?;
    let Some(list) = &collection.properties else {
        return Err(answer.bad_data("the collection has no list of properties"));
    };
    let mut names = read(list, &text, answer).map_err(|problem| answer.bad_data(problem))?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn read(list: &PropertyList, text: &str, answer: &Answer) -> Result<Vec<String>, String> {
    let items = Pagination::None { items: list.items.clone() }.read(text, answer)?.items;
    if items.len() > MOST {
        return Err(format!("it lists {} properties", items.len()));
    }
    let name = |item: &serde_json::value::RawValue| {
        let [name] = pointer::follow(item.get(), [Some(&list.name)]).map_err(|error| error.to_string())?;
        name.and_then(identifier).ok_or_else(|| format!("a property has no name at {}", list.name))
    };
    items.into_iter().map(name).collect()
}
