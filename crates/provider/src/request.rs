//! Requests for the pages of a list: what is asked where, and where its parameters stand.

use crate::{
    body::{Body, Names, as_text},
    declaration::{Batch, BodyForm, Pagination, Tombstones},
    listing::{Listing, Subject, path_of},
    pages::After,
    position::{Beneath, OF_PARENT, Position},
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
    form: BodyForm,
    names: Names<'a>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(url: Url, body: Option<&'a Body>) -> Self {
        Self { url, body, form: BodyForm::Json, names: Names::new() }
    }

    /// With the body sent so.
    fn sent_as(self, form: BodyForm) -> Self {
        Self { form, ..self }
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

    /// Fills in those names of the body that `is_meant` accepts.
    pub(crate) fn fill_body<'v>(
        &mut self,
        is_meant: impl Fn(&str) -> bool,
        value: impl Fn(&str) -> Option<&'v str>,
    ) {
        let Some(body) = self.body else { return };
        for name in body.names() {
            if is_meant(name) {
                self.names.insert(name, value(name).map(Value::from));
            }
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
        let Self { mut url, body, form, names } = self;
        let mut headers = HeaderMap::new();
        match (body, form) {
            (Some(body), BodyForm::Json) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                let body = Some(body.fill(&names).into());
                return Request { method: Method::POST, url, headers, body };
            }
            (Some(body), BodyForm::Query) => {
                url.query_pairs_mut().extend_pairs(body.fill_query(&names));
            }
            (None, _) => {}
        }
        Request { method: Method::GET, url, headers, body: None }
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
            return batch.request(base, ids, &self.properties);
        }
        if let (Beneath::Parents { ids }, Some(together)) = (&reading.beneath, &self.collection.together) {
            let mut draft = Draft::new(at_path(base, &together.path), Some(&together.body));
            draft.parameter("ids", Some(ids.as_slice().into()));
            return draft.whole();
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
        let parents = self.parents_list(level).map(|list| &list.body);
        let tie = self.tied.as_deref().zip(look.and_then(|(updated, _)| updated.ties.as_ref()));
        let mut draft = match (elsewhere, tie) {
            (_, Some((_, ties))) => {
                let path = elsewhere.map_or_else(own_path, |(path, _)| path.to_owned());
                Draft::new(at_path(base, &path), Some(&ties.body))
            }
            (Some((path, updated)), None) => {
                Draft::new(at_path(base, path), parents.or(updated.body.as_ref()))
            }
            (None, None) => Draft::new(at_path(base, &own_path()), parents.or(collection.body.as_ref())),
        }
        .sent_as(collection.body_as);
        draft.fill_body(|name| name.starts_with(OF_PARENT), value);
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
        let is_bounded = elsewhere.is_none() || parents.is_some();
        if let Some(created) = collection.created.as_ref().filter(|_| (is_own || level == 0) && is_bounded) {
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
        let mut draft =
            Draft::new(at_path(base, &deleted.path), deleted.body.as_ref()).sent_as(self.collection.body_as);
        draft.all_in_url(&deleted.query);
        if let Some(from) = &deleted.from {
            let since = self.changed_since.map(|since| deleted.format.write(since));
            draft.parameter(from, since.map(Value::from));
        }
        draft.page(self.pagination(&self.collection, 0), after)
    }
}

impl Batch {
    /// The request for the objects with these ids, of which these properties are to be shown.
    pub(crate) fn request(&self, base: &Url, ids: &[String], properties: &[String]) -> Request {
        let mut draft = Draft::new(at_path(base, &self.path), Some(&self.body));
        draft.parameter("ids", Some(ids.into()));
        draft.parameter("properties", Some(properties.into()));
        draft.whole()
    }
}

/// `base` with the path of an endpoint behind its own.
pub(crate) fn at_path(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}
