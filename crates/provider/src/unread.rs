//! Lists that an API doesn't let be read, or says to be missing: they are passed over, so that the others go on.

use crate::{
    declaration::CollectionRef,
    position::{Beneath, Position},
};
use sequin_domain::failure::{Failure, FailureClass};
use std::fmt;

/// A list that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub list: UnreadList,
    /// What the API has said.
    pub failure: Failure,
    /// Of which records nothing is known therefore.
    pub hides: Hides,
}

/// What the list belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnreadList {
    /// A value of an option.
    Option { name: String, value: String },
    /// An object of a collection.
    Object { collection: String, id: String },
}

/// Of which records of the collection nothing is known, as they would have been shown by a list that wasn't read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hides {
    /// Each can be asked for by itself.
    None,
    ChildrenOf(String),
    /// Any whose list was not read either.
    Unlisted,
}

/// As it is shown: `repositories acme/site`, or `repository 1296269`.
impl fmt::Display for UnreadList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option { name, value } => write!(f, "{name} {value}"),
            Self::Object { collection, id } => write!(f, "{collection} {id}"),
        }
    }
}

impl Unread {
    /// The list at `position`, where passing it over leaves anything unknown: what is surely missing has no children.
    pub(crate) fn at(collection: &CollectionRef, position: &Position, failure: Failure) -> Option<Self> {
        let is_missing = failure.class == FailureClass::Missing;
        if is_missing && !position.is_at_start_of_list() {
            // The list goes on from elsewhere.
            return None;
        }
        let is_surely_missing = is_missing && !failure.may_be_hidden;
        let levels = collection.levels();
        let (list, hides) = match &position.page().1.beneath {
            Beneath::Option { name, value } => {
                let list = UnreadList::Option { name: name.clone(), value: value.clone() };
                let can_be_asked_for = is_surely_missing && collection.retrieve.is_some();
                (list, if can_be_asked_for { Hides::None } else { Hides::Unlisted })
            }
            Beneath::Object { id, .. } if !is_surely_missing => {
                let (level, _) = position.page();
                let parents = levels.get(level.checked_sub(1)?)?;
                let list = UnreadList::Object { collection: parents.name.clone(), id: id.clone() };
                let is_own = level + 1 == levels.len();
                (list, if is_own { Hides::ChildrenOf(id.clone()) } else { Hides::Unlisted })
            }
            Beneath::Object { .. } | Beneath::Objects { .. } | Beneath::Parents { .. } | Beneath::Root => {
                return None;
            }
        };
        Some(Self { list, failure, hides })
    }
}
