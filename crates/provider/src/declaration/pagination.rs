//! How lists are cut into pages.

use crate::pointer::Pointer;
use serde::Deserialize;

/// How a list is cut into pages. `items` is where the objects are in an answer; "" is the answer itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pagination {
    /// The next page starts after the id of the last object of this one.
    IdCursor { items: Pointer, has_more: Pointer, parameter: String, page_size: PageSize },
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
    /// The list comes whole.
    None { items: Pointer },
}

fn one() -> u64 {
    1
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
            | Self::None { items } => items,
        }
    }

    pub(crate) fn has_more(&self) -> Option<&Pointer> {
        match self {
            Self::IdCursor { has_more, .. } => Some(has_more),
            Self::Cursor { has_more, .. } | Self::Page { has_more, .. } | Self::Offset { has_more, .. } => {
                has_more.as_ref()
            }
            Self::LinkHeader { .. } | Self::NextUrl { .. } | Self::None { .. } => None,
        }
    }

    pub(crate) fn page_size(&self) -> Option<&PageSize> {
        match self {
            Self::IdCursor { page_size, .. } => Some(page_size),
            Self::Cursor { page_size, .. }
            | Self::LinkHeader { page_size, .. }
            | Self::NextUrl { page_size, .. }
            | Self::Page { page_size, .. }
            | Self::Offset { page_size, .. } => page_size.as_ref(),
            Self::None { .. } => None,
        }
    }
}
