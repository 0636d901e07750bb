//! Requests for the pages of a list: what is asked where, and where its parameters stand.

use crate::{
    body::{Body, Names, as_text},
    declaration::{Batch, Pagination, Tombstones},
    listing::{Listing, Subject, path_of},
    pages::After,
    position::{Beneath, Position},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use sequin_domain::{ranges::Span, timestamp::Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use url::Url;

/// Something that is asked of an API.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    /// Beside those that every request has.
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
}

/// A request that is being written. With a body, parameters stand where that names them; without, in the URL.
pub(crate) struct Draft<'a> {
    url: Url,
    body: Option<&'a Body>,
    names: Names<'a>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(url: Url, body: Option<&'a Body>) -> Self {
        Self { url, body, names: Names::new() }
    }

    /// A parameter that stands in the URL in any case.
    fn in_url(&mut self, name: &str, value: &str) {
        self.url.query_pairs_mut().append_pair(name, value);
    }

    fn all_in_url(&mut self, parameters: &BTreeMap<String, String>) {
        parameters.iter().for_each(|(name, value)| self.in_url(name, value));
    }

    /// A parameter, with or without a value.
    pub(crate) fn parameter(&mut self, name: &'a str, value: Option<Value>) {
        if self.body.is_some() {
            self.names.insert(name, value);
        } else if let Some(value) = value {
            self.in_url(name, &as_text(&value));
        }
    }

    /// The request for the page behind `after`.
    pub(crate) fn page(mut self, pagination: &'a Pagination, after: &After) -> Request {
        if let Some(url) = pagination.given(&self.url, after) {
            return Request { method: Method::GET, url, headers: HeaderMap::new(), body: None };
        }
        for (name, value) in pagination.parameters(after) {
            self.parameter(name, value);
        }
        self.whole()
    }

    /// The request without any pages.
    pub(crate) fn whole(self) -> Request {
        let Self { url, body, names } = self;
        let mut headers = HeaderMap::new();
        let Some(body) = body else { return Request { method: Method::GET, url, headers, body: None } };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Request { method: Method::POST, url, headers, body: Some(body.fill(&names).into()) }
    }
}

impl Listing {
    /// The request for the page at `position`.
    pub fn request(&self, base: &Url, position: &Position) -> Request {
        if let Some((bulk, export)) = self.exporting(position) {
            return self.export_request(base, bulk, export);
        }
        let reading = position.reading();
        if let (Beneath::Objects { ids }, Some(batch)) = (&reading.beneath, &self.collection.batch) {
            return self.batch(base, batch, ids);
        }
        match (self.subject, &self.collection.deleted) {
            (Subject::Tombstones, Some(deleted)) => self.tombstones_page(base, deleted, &reading.after),
            _ => self.page(base, position),
        }
    }

    fn page(&self, base: &Url, position: &Position) -> Request {
        let reading = position.reading();
        let levels = self.collection.levels();
        let level = position.level();
        let collection = levels.get(level).unwrap_or(&self.collection);
        let look = self.look(collection, level);
        let elsewhere = look.and_then(|(updated, _)| updated.path.as_deref().map(|path| (path, updated)));
        let value = |name: &str| reading.beneath.value(name);
        let own_path = || match path_of(collection, &reading.beneath) {
            Some((path, _)) if matches!(reading.beneath, Beneath::Option { .. }) => path.fill_segments(value),
            Some((path, _)) => path.fill_path(value),
            // The option is no longer declared: what the base URL answers is no list.
            None => String::new(),
        };
        let tie = self.tied.as_deref().zip(look.and_then(|(updated, _)| updated.ties.as_ref()));
        let mut draft = match (elsewhere, tie) {
            (_, Some((_, ties))) => {
                let path = elsewhere.map_or_else(own_path, |(path, _)| path.to_owned());
                Draft::new(at_path(base, &path), Some(&ties.body))
            }
            (Some((path, updated)), None) => Draft::new(at_path(base, path), updated.body.as_ref()),
            (None, None) => Draft::new(at_path(base, &own_path()), collection.body.as_ref()),
        };
        if elsewhere.is_none() {
            for (name, template) in &collection.query {
                draft.in_url(name, &template.fill(value));
            }
        }
        let span = match level {
            0 => self.span,
            _ => Span { from: self.children_since.map(Timestamp::unix_seconds), before: None },
        };
        let is_own = level + 1 == levels.len();
        if let Some(created) =
            collection.created.as_ref().filter(|_| (is_own || level == 0) && elsewhere.is_none())
        {
            let written = |second: Option<i64>| {
                let instant = Timestamp::from_unix_seconds(second?).unwrap_or_default();
                Some(Value::from(created.format.write(instant)))
            };
            for (name, second) in [(&created.from, span.from), (&created.before, span.before)] {
                if let Some(name) = name {
                    draft.parameter(name, written(second));
                }
            }
        }
        if let Some(updated) = &collection.updated {
            let since = look.map(|(_, since)| updated.format.write(since));
            if let Some(from) = &updated.from {
                draft.parameter(from, since.map(Value::from));
            }
            if look.is_some() {
                draft.all_in_url(&updated.query);
            }
        }
        if let Some((behind, _)) = tie {
            draft.parameter("id", Some(behind.into()));
        }
        let mut request = draft.page(self.pagination(collection, level), &reading.after);
        let declared = collection.headers.iter();
        let header = |(name, value): (&String, &String)| Some((name.parse().ok()?, value.parse().ok()?));
        request.headers.extend(declared.filter_map(header).collect::<HeaderMap>());
        request
    }

    fn tombstones_page(&self, base: &Url, deleted: &Tombstones, after: &After) -> Request {
        let mut draft = Draft::new(at_path(base, &deleted.path), deleted.body.as_ref());
        draft.all_in_url(&deleted.query);
        if let Some(from) = &deleted.from {
            let since = self.changed_since.map(|since| deleted.format.write(since));
            draft.parameter(from, since.map(Value::from));
        }
        draft.page(self.pagination(&self.collection, 0), after)
    }

    fn batch(&self, base: &Url, batch: &Batch, ids: &[String]) -> Request {
        let mut draft = Draft::new(at_path(base, &batch.path), Some(&batch.body));
        draft.parameter("ids", Some(ids.into()));
        draft.parameter("properties", Some(self.properties[..].into()));
        draft.whole()
    }
}

/// `base` with the path of an endpoint behind its own.
pub(crate) fn at_path(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}
