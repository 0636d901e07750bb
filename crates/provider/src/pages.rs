//! From one page of a list to the next.

use crate::{
    answer::Answer,
    declaration::{Connection, Pagination},
    export::Export,
    link, origin,
    pointer::{self, Pointer},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use std::collections::VecDeque;
use url::Url;

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// The last objects of the page before, the very last first; empty at the start.
    ///
    /// An API may not know an object any more by the time that it is asked for what follows: then the one before serves.
    Ids(VecDeque<String>),
    /// What the API gave to go on with: a cursor, or a URL.
    Given(String),
    /// The number of the page or of the object, and which object the page before ended with.
    Number(u64, Option<String>),
    /// Not in the list, but in an export of all that would be in it.
    Export(Box<Export>),
}

/// How many ids are kept to go on from.
const KEPT_IDS: usize = 3;
/// The longest cursor or URL to go on with, in bytes: it becomes a part of the next URL, and of what the backfill keeps.
const LONGEST_CURSOR: usize = 8192;

impl After {
    /// At the start of the list.
    pub fn start() -> Self {
        Self::Ids(VecDeque::new())
    }

    pub fn is_start(&self) -> bool {
        matches!(self, Self::Ids(ids) if ids.is_empty())
    }

    /// A step back, as the API no longer knows what this names; false at the start, where nothing is named.
    pub(crate) fn step_back(&mut self) -> bool {
        match self {
            Self::Ids(ids) => ids.pop_front().is_some(),
            Self::Given(_) | Self::Number(..) | Self::Export(_) => {
                *self = Self::start();
                true
            }
        }
    }
}

/// A page as text: its objects, and what it says of the next.
#[derive(Debug)]
pub(crate) struct List<'a> {
    pub(crate) items: Vec<&'a RawValue>,
    rest: Rest,
}

#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    /// More of it, behind these objects.
    More,
    /// Whether there is more, only the next page will tell.
    Perhaps,
    Given(String),
}

impl<'a> List<'a> {
    /// The one object that the answer is.
    pub(crate) fn of_one(text: &'a str) -> Result<Self, String> {
        let item = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        Ok(Self { items: vec![item], rest: Rest::Nothing })
    }
}

impl Pagination {
    /// The address of the page behind `after` in `list`, where the API gave it whole.
    pub(crate) fn given(&self, list: &Url, after: &After) -> Option<Url> {
        let (Self::LinkHeader { .. } | Self::NextUrl { .. }, After::Given(next)) = (self, after) else {
            return None;
        };
        // The base URL may have changed since. Then the list starts anew: secrets go nowhere else.
        Url::parse(next).ok().filter(|next| next.origin() == list.origin())
    }

    /// The parameters of the page behind `after`, those without a value among them.
    pub(crate) fn parameters(&self, after: &After) -> Vec<(&str, Option<Value>)> {
        let size = self.page_size().map(|size| (&size.parameter, Some(Value::from(size.value))));
        let place = match (self, after) {
            (Self::IdCursor { parameter, tail, .. }, After::Ids(ids)) => {
                let sent = |id: &String| Value::from(if *tail { tail_of(id) } else { id.as_str() });
                Some((parameter, ids.front().map(sent)))
            }
            (
                Self::Cursor { parameter, .. } | Self::Connection(Connection { parameter, .. }),
                After::Given(cursor),
            ) => Some((parameter, Some(Value::from(cursor.as_str())))),
            (Self::Page { parameter, first, .. }, after) => {
                let page = if let After::Number(page, _) = after { *page } else { *first };
                Some((parameter, Some(Value::from(page))))
            }
            (Self::Offset { parameter, .. }, After::Number(objects, _)) => {
                Some((parameter, Some(Value::from(*objects))))
            }
            (
                Self::IdCursor { parameter, .. }
                | Self::Cursor { parameter, .. }
                | Self::Connection(Connection { parameter, .. })
                | Self::Offset { parameter, .. },
                _,
            ) => Some((parameter, None)),
            (Self::LinkHeader { .. } | Self::NextUrl { .. } | Self::None { .. }, _) => None,
        };
        size.into_iter().chain(place).map(|(name, value)| (name.as_str(), value)).collect()
    }

    /// What the parameters are called.
    pub(crate) fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.parameters(&After::start()).into_iter().map(|(name, _)| name)
    }

    /// The page in the answer.
    pub(crate) fn read<'a>(&self, text: &'a str, answer: &Answer) -> Result<List<'a>, String> {
        let next = match self {
            Self::Cursor { next, .. }
            | Self::NextUrl { next, .. }
            | Self::Connection(Connection { next, .. }) => Some(next),
            _ => None,
        };
        let (items, more, next) = self.find(text, next)?;
        let given = |url: &str| origin::resolve(&answer.url, url).map(|url| Rest::Given(url.into()));
        let rest = match self {
            _ if more == Some(false) => Rest::Nothing,
            Self::IdCursor { .. } | Self::None { .. } if more.is_some() => Rest::More,
            Self::IdCursor { .. } if !items.is_empty() => Rest::Perhaps,
            Self::IdCursor { .. } | Self::None { .. } => Rest::Nothing,
            Self::Cursor { .. } | Self::Connection(_) => match next.map(cursor).transpose()?.flatten() {
                None if more == Some(true) => {
                    return Err("it says that there is more, and gives no cursor".into());
                }
                None => Rest::Nothing,
                Some(next) => Rest::Given(next),
            },
            Self::NextUrl { next: pointer, .. } => match next.map(RawValue::get) {
                None | Some("null" | "\"\"" | "false") => Rest::Nothing,
                Some(json) => {
                    let url: String =
                        serde_json::from_str(json).map_err(|_| format!("there is no URL at {pointer}"))?;
                    given(&url)?
                }
            },
            Self::LinkHeader { .. } => match link::next(&answer.headers)? {
                Some(url) => given(url)?,
                None => Rest::Nothing,
            },
            Self::Page { .. } | Self::Offset { .. } if more.is_some() => Rest::More,
            Self::Page { .. } | Self::Offset { .. } if items.is_empty() => Rest::Nothing,
            Self::Page { .. } | Self::Offset { .. } => Rest::Perhaps,
        };
        match &rest {
            Rest::Given(given) if given.len() > LONGEST_CURSOR => {
                Err(format!("what it gives to go on with is {} bytes long", given.len()))
            }
            _ => Ok(List { items, rest }),
        }
    }

    /// Whether what is added next may stand on a page behind this one, which is the last, and leave this one as it is.
    pub(crate) fn is_full(&self, list: &List<'_>) -> bool {
        list.rest == Rest::Nothing && self.fills(list.items.len())
    }

    /// Whether a page with so many objects has no room for more.
    fn fills(&self, items: usize) -> bool {
        self.page_size().is_some_and(|size| items >= size.value as usize)
    }

    #[allow(clippy::type_complexity, reason = "three things that are found in one go")]
    fn find<'a>(
        &self,
        text: &'a str,
        next: Option<&Pointer>,
    ) -> Result<(Vec<&'a RawValue>, Option<bool>, Option<&'a RawValue>), String> {
        let (at, has_more, done) = (self.items(), self.has_more(), self.done());
        let [items, more, next] = pointer::follow(text, [Some(at), has_more.or(done), next])
            .map_err(|error| format!("it is not JSON: {error}"))?;
        let no_list = || match at.is_root() {
            true => "it is no list".to_owned(),
            false => format!("there is no list at {at}"),
        };
        let items = items.ok_or_else(no_list)?;
        let items: Vec<&RawValue> = serde_json::from_str(items.get()).map_err(|_| no_list())?;
        let more = match has_more.or(done) {
            None => None,
            Some(at) => {
                let said = more.ok_or_else(|| format!("there is nothing at {at}"))?;
                let said = serde_json::from_str::<bool>(said.get())
                    .map_err(|_| format!("there is no true or false at {at}"))?;
                Some(if has_more.is_some() { said } else { !said || self.fills(items.len()) })
            }
        };
        self.too_many(items.len())?;
        Ok((items, more, next))
    }

    /// An answer may hold a little more than what was asked for, but not without bounds.
    fn too_many(&self, items: usize) -> Result<(), String> {
        match self.page_size() {
            Some(size) if items > 10 * size.value as usize => {
                Err(format!("it lists {items} objects, and {} were asked for", size.value))
            }
            _ => Ok(()),
        }
    }

    /// Where the list goes on behind `list`, which came from behind `after` and whose objects have these ids.
    pub(crate) fn next(
        &self,
        list: &List<'_>,
        ids: &[String],
        after: &After,
    ) -> Result<Option<After>, String> {
        match &list.rest {
            Rest::Nothing => Ok(None),
            Rest::Given(given) if matches!(after, After::Given(before) if before == given) => {
                Err("it says that the list goes on where it began".into())
            }
            Rest::Given(given) => Ok(Some(After::Given(given.clone()))),
            Rest::More | Rest::Perhaps => match self {
                Self::Page { first, .. } => {
                    let page = if let After::Number(page, _) = after { *page } else { *first };
                    numbered(page.saturating_add(1), ids, after)
                }
                Self::Offset { .. } if list.items.is_empty() => {
                    Err("it says that there is more, and lists nothing to go on behind".into())
                }
                Self::Offset { .. } => {
                    let objects = if let After::Number(objects, _) = after { *objects } else { 0 };
                    numbered(objects.saturating_add(list.items.len() as u64), ids, after)
                }
                _ => behind(ids, after),
            },
        }
    }
}

/// What stands behind the last slash.
fn tail_of(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, tail)| tail)
}

/// Behind the last of these objects.
fn behind(ids: &[String], after: &After) -> Result<Option<After>, String> {
    let next: VecDeque<String> = ids.iter().rev().take(KEPT_IDS).cloned().collect();
    let before = if let After::Ids(ids) = after { ids.front() } else { None };
    match (next.front(), before) {
        (None, _) => Err("it says that there is more, but has no id to go on from".into()),
        (Some(next), Some(before)) if next == before => {
            Err("its last object is that of the page before".into())
        }
        _ => Ok(Some(After::Ids(next))),
    }
}

/// An API that doesn't know the parameter shows the same page for ever.
fn numbered(number: u64, ids: &[String], after: &After) -> Result<Option<After>, String> {
    let last = ids.last().cloned();
    if last.is_some() && matches!(after, After::Number(_, before) if *before == last) {
        return Err("its last object is that of the page before".into());
    }
    Ok(Some(After::Number(number, last)))
}

/// A cursor: a text, or a number; `None` for null, false and an empty text.
///
/// What can't be read is no end: the list would be taken for complete.
fn cursor(raw: &RawValue) -> Result<Option<String>, String> {
    let text = raw.get();
    let cursor = match text.as_bytes().first() {
        Some(b'n' | b'f') => return Ok(None),
        Some(b'"') => {
            serde_json::from_str(text).map_err(|_| "the cursor for the next page can't be read".to_owned())?
        }
        Some(b'0'..=b'9' | b'-') => text.to_owned(),
        _ => return Err("the cursor for the next page is neither a text nor a number".into()),
    };
    // It is kept in the database.
    if cursor.len() > LONGEST_CURSOR || cursor.contains('\0') {
        return Err(format!(
            "the cursor for the next page has U+0000 in it, or more than {LONGEST_CURSOR} bytes"
        ));
    }
    Ok((!cursor.is_empty()).then_some(cursor))
}
