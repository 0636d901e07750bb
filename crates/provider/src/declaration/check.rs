//! What a declaration must not say.

use super::{Changes, Collection, Declaration, Feed, Invalid, Pagination};
use crate::template::Template;
use http::{HeaderName, HeaderValue};
use url::Url;

pub(super) type Checked = Result<(), Invalid>;

pub(super) fn refuse<T>(at: impl Into<String>, problem: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid { at: at.into(), problem: problem.into() })
}

/// More collections than this are a mistake.
const MOST_COLLECTIONS: usize = 2000;
/// Names stand in identifiers such as `stripe:customer`, and in views.
const LONGEST_NAME: usize = 63;

impl Declaration {
    pub(super) fn check(&self) -> Checked {
        name("/provider", &self.provider)?;
        self.check_base_url()?;
        for (header, value) in &self.headers {
            if HeaderName::try_from(header).is_err() || HeaderValue::from_str(value).is_err() {
                return refuse(format!("/headers/{header}"), "it can't be an HTTP header");
            }
        }
        self.check_authentication()?;
        if let Err(problem) = self.rate_limit.rate_limit().check() {
            return refuse("/rate_limit", problem.to_string());
        }
        for (n, rule) in self.errors.rules.iter().enumerate() {
            if rule.status.is_empty() {
                return refuse(format!("/errors/rules/{n}/status"), "a rule needs at least one status");
            }
            let is_good = rule.status.iter().any(|pattern| (200..300).any(|status| pattern.matches(status)));
            if is_good && (rule.code.is_none() || self.errors.code.is_none()) {
                return refuse(format!("/errors/rules/{n}"), "for a good status it needs a code");
            }
        }
        self.check_writing()?;
        for (name, feed) in &self.feeds {
            check_feed(&format!("/feeds/{name}"), feed)?;
        }
        if self.collections.is_empty() || self.collections.len() > MOST_COLLECTIONS {
            return refuse("/collections", format!("there must be from 1 to {MOST_COLLECTIONS} collections"));
        }
        for (n, collection) in self.collections.iter().enumerate() {
            if self.collections[..n].iter().any(|other| other.name == collection.name) {
                return refuse(format!("/collections/{n}/name"), "another collection has this name");
            }
            self.check_collection(&format!("/collections/{n}"), collection)?;
        }
        Ok(())
    }

    fn check_base_url(&self) -> Checked {
        match Url::parse(&self.base_url) {
            Ok(url)
                if url.has_host()
                    && matches!(url.scheme(), "https" | "http")
                    && url.query().is_none()
                    && url.fragment().is_none()
                    && url.username().is_empty()
                    && url.password().is_none() =>
            {
                Ok(())
            }
            _ => refuse("/base_url", "it must be a URL such as https://api.example.com, at most with a path"),
        }
    }

    fn check_collection(&self, place: &str, collection: &Collection) -> Checked {
        let at = |key: &str| format!("{place}{key}");
        name(&at("/name"), &collection.name)?;
        if let Some(parent) = &collection.parent {
            match self.find(&parent.collection) {
                None => return refuse(at("/parent/collection"), "there is no such collection"),
                Some(found) if found.parent.is_some() => {
                    return refuse(at("/parent/collection"), "the parent can't be nested itself");
                }
                Some(_) => {}
            }
            let pagination = collection.pagination.as_ref().unwrap_or(&self.pagination);
            if parent.embedded.is_some() && !matches!(pagination, Pagination::IdCursor { .. }) {
                return refuse(
                    at("/parent/embedded"),
                    "only a list that goes on after its last id can begin in its parent",
                );
            }
        }
        path(&at("/path"), &collection.path)?;
        for template in std::iter::once(&collection.path).chain(collection.query.values()) {
            if template.names().any(|name| name != "parent.id" || collection.parent.is_none()) {
                return refuse(place, "a list knows {parent.id}, and that only where it has a parent");
            }
        }
        if let Some(retrieve) = &collection.retrieve {
            path(&at("/retrieve"), retrieve)?;
            if !retrieve.names().eq(["id"]) {
                return refuse(at("/retrieve"), "it must have {id} in it, and nothing else of its kind");
            }
        }
        self.check_writes(place, collection)?;
        self.check_changes(place, collection)
    }

    fn check_changes(&self, place: &str, collection: &Collection) -> Checked {
        let at = |key: &str| format!("{place}{key}");
        let (changes, shape) = (&collection.changes, self.shape(collection));
        match (&changes.feed, &changes.object, &changes.parent_object) {
            (None, None, None) => {}
            (Some(feed), _, _) if !self.feeds.contains_key(feed) => {
                return refuse(at("/changes/feed"), "there is no such feed");
            }
            (Some(_), Some(_), None) if collection.retrieve.is_some() => {}
            (Some(_), Some(_), None) => {
                return refuse(at("/retrieve"), "it is needed for changes by object");
            }
            (Some(_), None, Some(_)) if collection.parent.is_some() => {}
            (Some(_), None, Some(_)) => {
                return refuse(at("/parent"), "it is needed for changes by parent");
            }
            _ => return refuse(at("/changes"), "a feed goes with either object or parent_object"),
        }
        let Changes { feed, poll, sweep, .. } = changes;
        for (key, seconds) in [("/changes/poll", poll), ("/changes/sweep", sweep)] {
            if *seconds == Some(0) {
                return refuse(at(key), "it must be at least a second");
            }
        }
        if feed.is_none() && poll.is_none() && sweep.is_none() {
            return refuse(at("/changes"), "one of feed, poll and sweep is needed");
        }
        if collection.updated.is_some() && (collection.parent.is_some() || shape.updated_at.is_none()) {
            return refuse(at("/updated"), "it needs an updated_at, and is not for nested collections");
        }
        if poll.is_some() && collection.parent.is_some() {
            return refuse(
                at("/changes/poll"),
                "it is not for nested collections: a sweep finds new children",
            );
        }
        let pagination = collection.pagination.as_ref().unwrap_or(&self.pagination);
        if matches!(pagination, Pagination::Page { .. } | Pagination::Offset { .. }) && sweep.is_none() {
            let problem =
                "it is needed where pages have numbers: an object can slip from one to another unseen";
            return refuse(at("/changes/sweep"), problem);
        }
        if poll.is_some()
            && collection.updated.is_none()
            && (collection.created.is_none() || shape.created_at.is_none())
        {
            return refuse(at("/changes/poll"), "it needs updated, or created and a created_at");
        }
        if let Some(deleted) = &collection.deleted {
            if collection.parent.is_some() {
                return refuse(at("/deleted"), "it is not for nested collections");
            }
            if poll.is_none() {
                return refuse(at("/deleted"), "it is looked at each changes.poll seconds, which is missing");
            }
            if collection.retrieve.is_none() && (deleted.deleted_at.is_none() || shape.updated_at.is_none()) {
                let problem = "without retrieve it needs a deleted_at, and the records an updated_at: else what was restored would be deleted again";
                return refuse(at("/deleted"), problem);
            }
            if deleted.from.is_some() && deleted.deleted_at.is_none() {
                return refuse(at("/deleted/deleted_at"), "it is needed where the list can be limited");
            }
            constant_path(&at("/deleted/path"), &deleted.path)?;
        }
        Ok(())
    }
}

fn check_feed(place: &str, feed: &Feed) -> Checked {
    constant_path(&format!("{place}/path"), &feed.path)
}

/// Names are lower-case words, as in `checkout_session`.
pub(super) fn name(at: &str, name: &str) -> Checked {
    let is_first = |byte: u8| byte.is_ascii_lowercase();
    let is_other = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let mut bytes = name.bytes();
    if name.len() <= LONGEST_NAME && bytes.next().is_some_and(is_first) && bytes.all(is_other) {
        Ok(())
    } else {
        refuse(
            at,
            format!(
                "a name has up to {LONGEST_NAME} characters from a-z, 0-9 and _, and begins with a letter"
            ),
        )
    }
}

pub(super) fn path(at: &str, path: &Template) -> Checked {
    constant_path(at, &path.fill_path(|_| Some("x")))
}

pub(super) fn constant_path(at: &str, path: &str) -> Checked {
    if path.starts_with('/') && !path.contains(['?', '#']) {
        Ok(())
    } else {
        refuse(at, "a path begins with / and has no ? or #: parameters stand under query")
    }
}
