//! What an API is asked about an export.

use super::{Export, Part, Stage};
use crate::{
    body::Names,
    declaration::{Bulk, Call, JOB, PROPERTIES, Results},
    listing::Listing,
    request::{Request, at_path},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT_ENCODING, CONTENT_TYPE, RANGE},
};
use serde_json::Value;
use url::Url;

impl Listing {
    pub(crate) fn export_request(&self, base: &Url, bulk: &Bulk, export: &Export) -> Request {
        let call = |call: &Call| self.call(base, call, export);
        let asked = match &export.stage {
            Stage::Counting => bulk.count.as_ref().map(|count| call(&count.request)),
            Stage::Describing => bulk.types.as_ref().map(|types| call(&types.request)),
            Stage::Starting { .. } => Some(call(&bulk.start.request)),
            Stage::Running { .. } => Some(call(&bulk.status.request)),
            Stage::Reading { part: Part { file: Some(file), at, .. }, .. } => {
                file_request(file, *at, bulk.results.bytes.get())
            }
            Stage::Reading { part, .. } => Some(match &bulk.results.request {
                Some(request) => with_part(call(request), &bulk.results, part),
                None => call(&bulk.status.request),
            }),
            Stage::Leaving { ended, .. } => {
                let request = if *ended { &bulk.delete } else { &bulk.abort };
                request.as_ref().map(call)
            }
        };
        // It is declared otherwise by now: whatever the answer, it is none to this.
        asked.unwrap_or_else(|| get(base.clone()))
    }

    fn call(&self, base: &Url, call: &Call, export: &Export) -> Request {
        let job = export.stage.job();
        let value = |name: &str| job.filter(|_| name == JOB);
        let mut url = at_path(base, &call.path.fill_path(value));
        for (name, template) in &call.query {
            url.query_pairs_mut().append_pair(name, &template.fill(value));
        }
        // What is in parts only is asked for by its parts.
        let is_whole = |name: &&String| {
            !export.columns.as_ref().is_some_and(|columns| columns.compounds.contains_key(*name))
        };
        let properties: Vec<Value> =
            self.properties.iter().filter(is_whole).map(|name| Value::from(name.as_str())).collect();
        let names: Names = [(JOB, job.map(Value::from)), (PROPERTIES, Some(Value::from(properties)))].into();
        let body = call.body.as_ref().map(|body| Bytes::from(body.fill(&names)));
        let usual = if body.is_some() { Method::POST } else { Method::GET };
        let declared = self.collection.headers.iter();
        let header = |(name, value): (&String, &String)| Some((name.parse().ok()?, value.parse().ok()?));
        let mut headers: HeaderMap = declared.filter_map(header).collect();
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Request { method: call.method.map_or(usual, Method::from), url, headers, body }
    }
}

fn get(url: Url) -> Request {
    Request { method: Method::GET, url, headers: HeaderMap::new(), body: None }
}

fn with_part(mut request: Request, results: &Results, part: &Part) -> Request {
    let size = results.page_size.as_ref().map(|size| (&size.parameter, size.value.to_string()));
    let after = results.next.as_ref().zip(part.after.as_ref());
    let after = after.map(|(next, after)| (&next.parameter, after.clone()));
    for (name, value) in size.into_iter().chain(after) {
        request.url.query_pairs_mut().append_pair(name, &value);
    }
    request
}

/// A piece of a file; `None` where its address is none.
fn file_request(file: &str, at: u64, bytes: u64) -> Option<Request> {
    let mut request = get(Url::parse(file).ok()?);
    let range = format!("bytes={at}-{}", at.saturating_add(bytes - 1));
    request.headers.insert(RANGE, HeaderValue::try_from(range).ok()?);
    // Of what is compressed, nobody can say which bytes these are.
    request.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Some(request)
}
