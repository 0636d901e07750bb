//! Seeing what has become of a change whose outcome nobody knows.

use crate::{
    answer::Answer,
    body::as_text,
    declaration::Find,
    made::Made,
    request::{Request, at_path},
    write::{Change, members},
};
use http::{HeaderMap, Method};
use sequin_domain::{
    failure::{Failure, FailureClass},
    mutation::Action,
};
use serde_json::Value;
use std::collections::BTreeMap;
use url::Url;

impl Change {
    /// Whether the API can be asked what has become of it.
    pub fn can_be_seen(&self) -> bool {
        self.sight().is_some() || self.is_seen_by_reading()
    }

    /// Whether the object is read to see that, as it is where a list no longer shows it.
    pub fn is_seen_by_reading(&self) -> bool {
        let has_body = self.collection.retrieve.as_ref().is_some_and(|retrieve| retrieve.as_path().is_none());
        self.is_of_known() && (self.is_read_back() || (has_body && self.sight().is_none()))
    }

    /// Whether the object can be found by something in what is given that no two have.
    pub fn is_unique(&self) -> bool {
        self.action == Action::Create && self.found_by().is_some()
    }

    /// Whether it is a change of an object that has an id.
    pub fn is_of_known(&self) -> bool {
        matches!(self.action, Action::Update | Action::Delete)
    }

    fn found_by(&self) -> Option<(String, &Find)> {
        let find = self.write().ok()?.find.as_ref()?;
        Some((self.path(&find.path).ok()?, find))
    }

    /// The path where the object is read that it is about, and with what parameters.
    fn sight(&self) -> Option<(String, Option<&BTreeMap<String, String>>)> {
        if let Some((path, find)) = self.found_by() {
            return Some((path, Some(&find.query)));
        }
        let own = self.collection.writes.look.as_ref();
        let own = own.or_else(|| self.collection.retrieve.as_ref()?.as_path());
        Some((self.path(own.filter(|_| self.is_of_known())?).ok()?, None))
    }

    /// The request that shows what has become of it; `None`: there is none.
    pub fn look(&self, base: &Url) -> Option<Request> {
        let (path, query) = self.sight()?;
        let mut url = at_path(base, &path);
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            url.query_pairs_mut().extend_pairs(query);
        }
        Some(Request { method: Method::GET, url, headers: HeaderMap::new(), body: None })
    }

    /// What the answer to that shows; `None`: there is no such object.
    pub fn seen(&self, answer: &Answer) -> Result<Option<Made>, Failure> {
        match answer.text(&self.collection.declaration) {
            Ok(text) => {
                let made = self.shown(text.trim(), answer.original(&text));
                made.map(Some).map_err(|problem| answer.bad_data(problem))
            }
            Err(failure) if failure.class == FailureClass::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Whether an object that looks so has all that was given. What a path says is not compared, nor are arrays in what is
    /// created: an API shows more in them than it was given.
    pub fn is_shown_by(&self, object: &str) -> bool {
        let Some(data) = &self.data else { return true };
        let read = |text: &str| serde_json::from_str::<Value>(text).ok();
        let (Some(Value::Object(given)), Some(shown)) = (read(data), read(object)) else { return false };
        let write = self.write().ok();
        let find = write.and_then(|write| write.find.as_ref()).map(|find| &find.path);
        let named: Vec<String> =
            write.map(|write| &write.path).into_iter().chain(find).flat_map(members).collect();
        let mut compared = given.iter().filter(|(name, value)| {
            !(named.contains(name) || self.action == Action::Create && value.is_array())
        });
        // A body of its own takes members that the object shows by other names, or doesn't: they are not empty for that.
        let is_own = write.is_some_and(|write| write.body.is_some());
        compared.all(|(name, value)| {
            let shown = shown.get(name);
            (!is_own || has_all(shown, value)) && shows(shown, value)
        })
    }
}

/// Whether there is something for each member of what is given, be it null.
fn has_all(shown: Option<&Value>, given: &Value) -> bool {
    match (shown, given) {
        (None, _) => false,
        (Some(shown), Value::Object(given)) => {
            given.iter().all(|(name, value)| has_all(shown.get(name), value))
        }
        (Some(_), _) => true,
    }
}

/// Whether what is shown is what was given: APIs write numbers as texts, and leave out what is empty.
fn shows(shown: Option<&Value>, given: &Value) -> bool {
    let is_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    match (shown, given) {
        (Some(Value::Object(shown)), Value::Object(given)) => {
            given.iter().all(|(name, value)| shows(shown.get(name), value))
        }
        (None, given) => is_nothing(given),
        (Some(shown), given) if is_nothing(shown) || is_nothing(given) => {
            is_nothing(shown) && is_nothing(given)
        }
        (Some(shown), given) if [shown, given].iter().any(|value| value.is_array() || value.is_object()) => {
            shown == given
        }
        (Some(shown), given) => as_text(shown) == as_text(given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_given_is_found_in_what_is_shown() {
        let shown = json!({"a": "5", "b": true, "c": null, "d": {"e": 1.5, "f": ["x"]}, "g": "", "h": []});
        for given in [
            json!({"a": 5}),
            json!({"a": "5", "b": "true", "c": "", "d": {"e": "1.5"}}),
            json!({"c": null, "g": null, "h": null, "i": null, "j": {}}),
            json!({"d": {"f": ["x"]}}),
        ] {
            assert!(shows(Some(&shown), &given), "{given}");
        }
        for given in [
            json!({"a": 6}),
            json!({"a": ""}),
            json!({"c": "x"}),
            json!({"d": {"e": 2}}),
            json!({"d": {"f": []}}),
            json!({"d": {"f": ["x", "y"]}}),
            json!({"d": "x"}),
            json!({"i": 1}),
        ] {
            assert!(!shows(Some(&shown), &given), "{given}");
        }
    }
}
