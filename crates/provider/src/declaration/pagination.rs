//! How lists are cut into pages.

use crate::pointer::Pointer;
use serde::Deserialize;

/// How a list is cut into pages. `items` is where the objects are in an answer; "" is the answer itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pagination {
    /// The next page starts after the id of the last object of this one. With neither `has_more` nor `done` an empty one is
    /// the last. `done`: whether the page has all that was asked for; there is more where that was all that it has room for.
    IdCursor {
        items: Pointer,
        has_more: Option<Pointer>,
        done: Option<Pointer>,
        parameter: String,
        page_size: PageSize,
        /// Whether the parameter takes no more of an id than what stands behind its last slash.
        #[serde(default)]
        tail: bool,
    },
    /// A connection of GraphQL: an object with `nodes`, and with `hasNextPage` and `endCursor` in its `pageInfo`.
    Connection(Connection),
    /// The answer has a cursor for the next page; none, or null, or an empty one at the end.
    Cursor {
        items: Pointer,
        next: Pointer,
        parameter: String,
        has_more: Option<Pointer>,
        page_size: Option<PageSize>,
    },
    /// The next page's URL stands in the header `Link`, with the relation "next" (RFC 8288).
    LinkHeader { items: Pointer, page_size: Option<PageSize> },
    /// The next page's URL stands in the answer.
    NextUrl { items: Pointer, next: Pointer, page_size: Option<PageSize> },
    /// Pages have numbers. Without `has_more` an empty one is the last.
    Page {
        items: Pointer,
        parameter: String,
        #[serde(default = "one")]
        first: u64,
        has_more: Option<Pointer>,
        page_size: Option<PageSize>,
    },
    /// The next page starts behind so many objects. Without `has_more` an empty one is the last.
    Offset { items: Pointer, parameter: String, has_more: Option<Pointer>, page_size: Option<PageSize> },
    /// The list comes whole; or as much of it as was asked for, as `done` says, and a walk goes on from what it has shown.
    None { items: Pointer, done: Option<Pointer>, page_size: Option<PageSize> },
}

fn one() -> u64 {
    1
}

/// Where a connection is in an answer, and the parameters of its pages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "ConnectionAt")]
pub struct Connection {
    pub(crate) items: Pointer,
    pub(crate) has_more: Pointer,
    pub(crate) next: Pointer,
    pub(crate) parameter: String,
    pub(crate) page_size: Option<PageSize>,
}

/// The same as it is declared.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionAt {
    at: Pointer,
    parameter: String,
    page_size: Option<PageSize>,
}

impl From<ConnectionAt> for Connection {
    fn from(ConnectionAt { at, parameter, page_size }: ConnectionAt) -> Self {
        let within = |keys: &[&str]| keys.iter().fold(at.clone(), |at, key| at.join(key));
        let page_info = |key| within(&["pageInfo", key]);
        let (items, has_more, next) = (within(&["nodes"]), page_info("hasNextPage"), page_info("endCursor"));
        Self { items, has_more, next, parameter, page_size }
    }
}

/// The parameter that says how many objects a page has, and how many to ask for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageSize {
    pub parameter: String,
    pub value: u32,
}

impl Pagination {
    /// Whether an object that comes or goes may move others from one page to another. A URL may have a number in it.
    pub fn may_shift(&self) -> bool {
        matches!(
            self,
            Self::LinkHeader { .. } | Self::NextUrl { .. } | Self::Page { .. } | Self::Offset { .. }
        )
    }

    /// A list that comes whole.
    pub(crate) fn whole(items: Pointer) -> Self {
        Self::None { items, done: None, page_size: None }
    }

    /// Whether a list that is cut so can begin within its parent: it goes on from what is there.
    pub(crate) fn may_be_embedded(&self) -> bool {
        matches!(self, Self::IdCursor { .. } | Self::Connection(_) | Self::None { .. })
    }

    /// How such a list is read there.
    pub(crate) fn embedded(&self) -> Self {
        match self {
            Self::Connection(Connection { parameter, page_size, .. }) => {
                let (at, parameter) = (Pointer::default(), parameter.clone());
                Self::Connection(ConnectionAt { at, parameter, page_size: page_size.clone() }.into())
            }
            Self::None { .. } => Self::whole(Pointer::default()),
            other => other.clone(),
        }
    }

    /// Whether each page is asked for with the list's own parameters, and not by a URL of the API's.
    pub(crate) fn takes_parameters(&self) -> bool {
        !matches!(self, Self::LinkHeader { .. } | Self::NextUrl { .. })
    }

    pub(crate) fn items(&self) -> &Pointer {
        match self {
            Self::IdCursor { items, .. }
            | Self::Cursor { items, .. }
            | Self::LinkHeader { items, .. }
            | Self::NextUrl { items, .. }
            | Self::Page { items, .. }
            | Self::Offset { items, .. }
            | Self::None { items, .. }
            | Self::Connection(Connection { items, .. }) => items,
        }
    }

    pub(crate) fn has_more(&self) -> Option<&Pointer> {
        match self {
            Self::Connection(Connection { has_more, .. }) => Some(has_more),
            Self::IdCursor { has_more, .. }
            | Self::Cursor { has_more, .. }
            | Self::Page { has_more, .. }
            | Self::Offset { has_more, .. } => has_more.as_ref(),
            Self::LinkHeader { .. } | Self::NextUrl { .. } | Self::None { .. } => None,
        }
    }

    /// Where an answer says whether it has all that was asked for.
    pub(crate) fn done(&self) -> Option<&Pointer> {
        match self {
            Self::IdCursor { done, .. } | Self::None { done, .. } => done.as_ref(),
            _ => None,
        }
    }

    pub(crate) fn page_size(&self) -> Option<&PageSize> {
        match self {
            Self::IdCursor { page_size, .. } => Some(page_size),
            Self::Cursor { page_size, .. }
            | Self::LinkHeader { page_size, .. }
            | Self::NextUrl { page_size, .. }
            | Self::Page { page_size, .. }
            | Self::Offset { page_size, .. }
            | Self::None { page_size, .. }
            | Self::Connection(Connection { page_size, .. }) => page_size.as_ref(),
        }
    }
}
