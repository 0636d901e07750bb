//! What a declaration must not say.

use super::{
    Changes, Collection, Declaration, Feed, Invalid, MOST_LEVELS, OptionPath, Pagination, Paths,
    check_request::check_retrieve, fields,
};
use crate::template::Template;
use http::{HeaderName, HeaderValue};
use sequin_domain::failure::FailureClass;
use std::collections::BTreeMap;
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
        check_headers("", &self.headers)?;
        self.check_authentication()?;
        if let Err(problem) = self.rate_limit.rate_limit().check() {
            return refuse("/rate_limit", problem.to_string());
        }
        for (n, further) in self.rate_limit.also.iter().enumerate() {
            if let Err(problem) = further.rate_limit().check() {
                return refuse(format!("/rate_limit/also/{n}"), problem.to_string());
            }
            if let Some(path) = &further.path {
                constant_path(&format!("/rate_limit/also/{n}/path"), path)?;
            }
        }
        for (n, rule) in self.errors.rules.iter().enumerate() {
            if rule.status.is_empty() {
                return refuse(format!("/errors/rules/{n}/status"), "a rule needs at least one status");
            }
            let is_good = rule.status.iter().any(|pattern| (200..300).any(|status| pattern.matches(status)));
            let has_code = rule.code.is_some() && self.errors.code.is_some();
            if is_good && !has_code && self.errors.failed.is_empty() {
                return refuse(
                    format!("/errors/rules/{n}"),
                    "for a good status it needs a code, or errors.failed",
                );
            }
            if rule.or_hidden && rule.class != FailureClass::Missing {
                return refuse(format!("/errors/rules/{n}/or_hidden"), "it is for what is missing");
            }
        }
        self.check_writing()?;
        for (name, feed) in &self.feeds {
            check_feed(&format!("/feeds/{name}"), feed)?;
        }
        for (option, declared) in &self.options {
            name(&format!("/options/{option}"), option)?;
            if declared.segments == 0 {
                return refuse(format!("/options/{option}/segments"), "it must be at least 1");
            }
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
        self.check_discover()
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

    pub(super) fn check_collection(&self, place: &str, collection: &Collection) -> Checked {
        let at = |key: &str| format!("{place}{key}");
        name(&at("/name"), &collection.name)?;
        check_headers(place, &collection.headers)?;
        if let Some(parent) = &collection.parent {
            match self.find(&parent.collection) {
                None => return refuse(at("/parent/collection"), "there is no such collection"),
                Some(found) if self.depth(found).is_none_or(|depth| depth >= MOST_LEVELS) => {
                    let problem = format!("it stands beneath itself, or more than {MOST_LEVELS} levels deep");
                    return refuse(at("/parent/collection"), problem);
                }
                Some(found) if found.scoped => {
                    let problem = "ids of that one tell its objects only from others beneath the same parent";
                    return refuse(at("/parent/collection"), problem);
                }
                Some(found) if found.together.is_some() => {
                    return refuse(at("/parent/collection"), "that one's lists are read several at once");
                }
                Some(found) if found.parent.is_some() && parent.embedded.is_some() => {
                    return refuse(
                        at("/parent/embedded"),
                        "it is not for parents that are nested themselves",
                    );
                }
                Some(_) => {}
            }
            let pagination = collection.pagination.as_ref().unwrap_or(&self.pagination);
            if parent.embedded.is_some() && !pagination.may_be_embedded() {
                let problem = "only a list that goes on after its last id, a connection, or one that comes whole can begin in its parent";
                return refuse(at("/parent/embedded"), problem);
            }
            if parent.list.is_some() && parent.embedded.is_none() {
                return refuse(at("/parent/list"), "it goes with embedded");
            }
        }
        fields::check(&at("/fields"), &collection.fields)?;
        self.check_paths(place, collection)?;
        if collection.scoped && collection.parent.is_none() {
            return refuse(at("/scoped"), "it needs a parent");
        }
        if let Some(retrieve) = &collection.retrieve {
            check_retrieve(&at("/retrieve"), retrieve, collection.scoped)?;
        }
        self.check_requests(place, collection)?;
        self.check_bulk(place, collection)?;
        self.check_writes(place, collection)?;
        self.check_changes(place, collection)
    }

    /// How many collections a collection stands beneath; `None` where there is no end to it.
    fn depth(&self, collection: &Collection) -> Option<usize> {
        let above = |collection: &&Collection| self.find(&collection.parent.as_ref()?.collection);
        let chain = std::iter::successors(Some(collection), above);
        Some(chain.take(MOST_LEVELS + 1).count()).filter(|count| *count <= MOST_LEVELS)
    }

    fn check_paths(&self, place: &str, collection: &Collection) -> Checked {
        let at = |key: &str| format!("{place}{key}");
        let is_parents = |name: &str| collection.parent.is_some() && name.starts_with("parent.");
        match &collection.path {
            Paths::One(own) => {
                path(&at("/path"), own)?;
                if own.names().any(|name| !is_parents(name)) {
                    return refuse(place, "a list knows {parent.id} and the like, where it has a parent");
                }
            }
            Paths::ByOption(_) if collection.parent.is_some() => {
                return refuse(at("/path"), "what has a parent is listed beneath that, and not by option");
            }
            Paths::ByOption(paths) => {
                for (n, OptionPath { option, path: own, within, .. }) in paths.iter().enumerate() {
                    let at = |key: &str| at(&format!("/path/{n}{key}"));
                    if !self.options.contains_key(option) {
                        return refuse(at("/option"), "there is no such option");
                    }
                    if paths[..n].iter().any(|other| other.option == *option) {
                        return refuse(at("/option"), "there is a path for it already");
                    }
                    path(&at("/path"), own)?;
                    if !own.names().eq([option.as_str()]) {
                        return refuse(at("/path"), format!("it must have {{{option}}} in it, once"));
                    }
                    if let Some(within) = within {
                        let is_listed = paths.iter().any(|other| other.option == *within && !other.single);
                        let segments = |option: &String| self.options.get(option).map(|of| of.segments);
                        if !is_listed || segments(within) != Some(1) || segments(option) < Some(2) {
                            let problem = "it must be an option of one segment with a list here, and the values have more segments";
                            return refuse(at("/within"), problem);
                        }
                    }
                }
                if paths.is_empty() {
                    return refuse(at("/path"), "at least one option is needed");
                }
            }
        }
        if collection.query.values().flat_map(Template::names).any(|name| !is_parents(name)) {
            return refuse(at("/query"), "a list knows {parent.id} and the like, where it has a parent");
        }
        Ok(())
    }

    fn check_changes(&self, place: &str, collection: &Collection) -> Checked {
        let at = |key: &str| format!("{place}{key}");
        let (changes, shape) = (&collection.changes, self.shape(collection));
        let poll = changes.poll;
        match (&changes.feed, &changes.object, &changes.parent_object) {
            (None, None, None) => {}
            (Some(feed), _, _) if !self.feeds.contains_key(feed) => {
                return refuse(at("/changes/feed"), "there is no such feed");
            }
            (Some(_), Some(_), None) if collection.scoped => {
                return refuse(at("/scoped"), "events name an object by its own id, and not whose it is");
            }
            (Some(_), Some(_), None) if collection.is_retrievable() => {}
            (Some(_), Some(_), None) => {
                return refuse(at("/retrieve"), "it is needed for changes by object");
            }
            (Some(_), None, Some(_)) if self.stands_beneath_an_id(collection) => {}
            (Some(_), None, Some(_)) => {
                let problem =
                    "changes by parent need one that is in one list, and whose id is all that is needed";
                return refuse(at("/parent"), problem);
            }
            _ => return refuse(at("/changes"), "a feed goes with either object or parent_object"),
        }
        let parent = collection.parent.as_ref().and_then(|parent| self.find(&parent.collection));
        if changes.of_parents && (poll.is_none() || parent.is_none_or(|parent| parent.updated.is_none())) {
            return refuse(at("/changes/of_parents"), "it needs a poll, and a parent with updated");
        }
        let Changes { feed, sweep, .. } = changes;
        let deletes = collection.deleted.as_ref().and_then(|deleted| deleted.poll);
        for (key, seconds) in
            [("/changes/poll", poll), ("/changes/sweep", *sweep), ("/deleted/poll", deletes)]
        {
            if seconds == Some(0) {
                return refuse(at(key), "it must be at least a second");
            }
        }
        if feed.is_none() && poll.is_none() && sweep.is_none() {
            return refuse(at("/changes"), "one of feed, poll and sweep is needed");
        }
        let is_one_list = collection.is_one_list();
        if let Some(updated) = &collection.updated {
            if shape.updated_at.is_none() {
                return refuse(at("/updated"), "it needs an updated_at");
            }
            if updated.from.is_none() && !updated.newest_first {
                return refuse(at("/updated"), "one of from and newest_first is needed");
            }
            if updated.ascending && (updated.newest_first || updated.from.is_none() || !is_one_list) {
                let problem = "it goes with from, without newest_first, and with one list for all";
                return refuse(at("/updated/ascending"), problem);
            }
        }
        if let Some(created) = &collection.created {
            if created.from.is_none() && (!created.newest_first || created.before.is_some()) {
                return refuse(at("/created/from"), "it is needed, unless there is but newest_first");
            }
            if created.newest_first && shape.created_at.is_none() {
                return refuse(at("/created/newest_first"), "it needs a created_at");
            }
        }
        let pagination = collection.pagination.as_ref().unwrap_or(&self.pagination);
        if matches!(pagination, Pagination::Page { .. } | Pagination::Offset { .. }) && sweep.is_none() {
            let problem =
                "it is needed where pages have numbers: an object can slip from one to another unseen";
            return refuse(at("/changes/sweep"), problem);
        }
        if poll.is_some()
            && !changes.of_parents
            && collection.updated.is_none()
            && (collection.created.is_none() || shape.created_at.is_none())
        {
            return refuse(at("/changes/poll"), "it needs updated, or created and a created_at");
        }
        if let Some(deleted) = &collection.deleted {
            if !is_one_list {
                return refuse(at("/deleted"), "it is for collections that are in one list");
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

impl Declaration {
    /// Whether a parent's id is enough to list what is beneath it.
    fn stands_beneath_an_id(&self, collection: &Collection) -> bool {
        let parent = collection.parent.as_ref().and_then(|parent| self.find(&parent.collection));
        parent.is_some_and(Collection::is_one_list)
            && collection.names_of_parent().all(|name| name == "parent.id")
    }
}

fn check_headers(place: &str, headers: &BTreeMap<String, String>) -> Checked {
    let is_unusable = |(name, value): &(&String, &String)| {
        HeaderName::try_from(*name).is_err() || HeaderValue::from_str(value).is_err()
    };
    match headers.iter().find(is_unusable) {
        None => Ok(()),
        Some((header, _)) => refuse(format!("{place}/headers/{header}"), "it can't be an HTTP header"),
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
