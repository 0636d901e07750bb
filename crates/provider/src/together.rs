//! Lists beneath several parents that come with one answer.

use crate::{
    answer::Answer,
    declaration::{Pagination, Together},
    pointer,
    position::{Beneath, Reading},
    record::{Reader, Record, Rejected, identifier},
};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};

/// What an answer has of the lists beneath these parents.
#[derive(Default)]
pub(crate) struct Lists {
    pub(crate) records: Vec<Record>,
    pub(crate) rejected: Vec<Rejected>,
    /// The parents' ids, and those of the children behind their parent's.
    pub(crate) listed: Vec<String>,
    /// The lists of which this is not all. They are read by themselves, from their start.
    pub(crate) unfinished: VecDeque<Reading>,
}

/// Reads the lists beneath the parents of these `ids`. Those that the answer is silent about have no children.
pub(crate) fn read(
    reader: &Reader,
    together: &Together,
    ids: &[String],
    answer: &Answer,
    text: &str,
) -> Result<Lists, String> {
    together.errors.as_ref().map_or(Ok(()), |errors| errors.check(text))?;
    let mut lists = Lists { listed: ids.to_vec(), ..Lists::default() };
    for item in Pagination::whole(together.items.clone()).read(text, answer)?.items {
        let wanted = [Some(&together.parent), Some(&together.children), together.next.as_ref()];
        let [parent, children, next] =
            pointer::follow(item.get(), wanted).map_err(|error| error.to_string())?;
        let parent = parent
            .and_then(identifier)
            .ok_or_else(|| format!("a list doesn't say at {} whose it is", together.parent))?;
        if !ids.contains(&parent) {
            return Err(format!("it has a list of {parent:?}, which was not asked for"));
        }
        let children: Vec<&RawValue> = children
            .and_then(|children| serde_json::from_str(children.get()).ok())
            .ok_or_else(|| format!("there is no list at {} of {parent:?}", together.children))?;
        if next.is_some_and(|next| !matches!(next.get(), "null" | "\"\"" | "false")) {
            let beneath = Beneath::Object { id: parent, values: BTreeMap::new() };
            lists.unfinished.push_back(Reading::of(beneath));
            continue;
        }
        for child in children {
            match reader.read(child.get(), Some(&parent)) {
                Ok(record) => {
                    lists.listed.push(format!("{parent} {}", record.upstream_id));
                    lists.records.push(record);
                }
                Err(rejected) => lists.rejected.push(rejected),
            }
        }
    }
    Ok(lists)
}
