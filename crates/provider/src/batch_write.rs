//! Several changes that are asked for in one request.

use crate::{
    answer::{Answer, word},
    body::Names,
    declaration::{BatchErrors, CollectionRef, WriteBatch},
    made::{Made, says_nothing},
    omit::without,
    pointer::{self, Pointer},
    record::{Record, identifier},
    refusal::Refusal,
    request::{Request, at_path},
    write::{Change, Unwritable},
};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use sequin_domain::{
    failure::{Failure, FailureClass},
    mutation::Action,
    secret::Mask,
};
use serde_json::{Value, value::RawValue};
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
};
use url::Url;

/// Changes of one kind, each of another object of the collection.
#[derive(Debug, Clone)]
pub struct BatchWrite {
    pub collection: CollectionRef,
    pub changes: Vec<Change>,
}

/// What an answer says of one of the changes that were asked for together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Made(Made),
    /// It was not done.
    Refused(Failure, Box<Refusal>),
    /// Nothing is said of it.
    Untold,
}

impl Outcome {
    /// The same with none of the secrets that the API was sent.
    pub fn without(self, secrets: &Mask) -> Self {
        match self {
            Self::Refused(failure, refusal) => {
                Self::Refused(failure.without(secrets), Box::new(refusal.without(secrets)))
            }
            told => told,
        }
    }
}

impl Change {
    pub(crate) fn batch(&self) -> Option<&WriteBatch> {
        self.write().ok()?.batch.as_ref()
    }

    /// How many of its kind can be asked for in one request.
    pub fn most_together(&self) -> usize {
        self.batch().map_or(1, |batch| batch.size.get())
    }

    /// Whether there is no request for it alone.
    pub fn is_only_together(&self) -> bool {
        self.batch().is_some_and(|batch| batch.only)
    }

    /// Whether it can be asked for in one request with the other.
    pub fn is_alike(&self, other: &Self) -> bool {
        self.action == other.action && self.collection.id() == other.collection.id()
    }

    /// Whether what is given has a member that tells which object an element of a request for several is about. Only in a
    /// request of its own it can't be taken for another object.
    pub fn is_ambiguous_together(&self) -> bool {
        let item = self.batch().and_then(|batch| batch.item.as_ref());
        let (Some(item), Some(data)) = (item, &self.data) else { return false };
        let Ok(given) = serde_json::from_str::<BTreeMap<String, &RawValue>>(data) else { return false };
        let is_told = |name: &str| item.members().any(|member| member.eq_ignore_ascii_case(name));
        given.keys().any(|name| is_told(name))
    }

    /// What it is in a request for several.
    fn element(&self, batch: &WriteBatch) -> String {
        let data = self.data.as_deref().unwrap_or("{}");
        let Some(item) = &batch.item else { return data.to_owned() };
        let names: Names =
            [("id", self.own_id().map(Value::from)), ("key", Some(self.key.as_str().into()))].into();
        let told: Vec<String> = item.members().map(str::to_owned).collect();
        // No member stands there twice.
        let given = if self.is_ambiguous_together() { without(data, &told).into() } else { Cow::from(data) };
        merged(&given, &item.fill(&names))
    }
}

impl BatchWrite {
    /// The request to an API at `base`.
    pub fn request(&self, base: &Url) -> Result<Request, Unwritable> {
        let batch = self.batch().ok_or(Unwritable::NoSuchAction)?;
        for change in &self.changes {
            change.check()?;
        }
        let mut url = at_path(base, &batch.path);
        let ids: Vec<&str> = self.changes.iter().filter_map(Change::own_id).collect();
        let ids = ids.join(",");
        for (name, template) in &batch.query {
            url.query_pairs_mut().append_pair(name, &template.fill(|_| Some(ids.as_str())));
        }
        let mut headers = HeaderMap::new();
        let body = batch.items.as_ref().map(|items| {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let with = batch.with.as_ref().map_or_else(|| "{}".to_owned(), |with| with.fill(&Names::new()));
            let items = Value::from(items.as_str());
            merged(&with, &format!("{{{items}:[{}]}}", self.elements(batch).join(","))).into()
        });
        Ok(Request { method: batch.method.into(), url, headers, body })
    }

    fn batch(&self) -> Option<&WriteBatch> {
        self.changes.first().and_then(Change::batch)
    }

    fn elements(&self, batch: &WriteBatch) -> Vec<String> {
        self.changes.iter().map(|change| change.element(batch)).collect()
    }

    /// What the answer says of each, in their order. Fails where it says something of all of them.
    pub fn interpret(&self, answer: &Answer) -> Result<Vec<Outcome>, Failure> {
        let text = answer.text(&self.collection.declaration)?;
        let batch = self.batch().ok_or_else(|| answer.bad_data("nothing is declared of it"))?;
        let mut outcomes: Vec<Outcome> = match &batch.results {
            // What is in the way of the API answers too, and well.
            None if !says_nothing(&text) => return Err(answer.bad_data("it is not JSON")),
            None => self.changes.iter().map(done).collect(),
            Some(results) => {
                self.told(batch, results, &text, answer).map_err(|problem| answer.bad_data(problem))?
            }
        };
        if let Some(errors) = &batch.errors {
            let refused = self.refused(batch, errors, &text);
            for (outcome, error) in outcomes.iter_mut().zip(refused) {
                if *outcome == Outcome::Untold
                    && let Some(error) = error
                {
                    *outcome = self.refusal(answer, error.get());
                }
            }
        }
        Ok(outcomes)
    }

    fn told(
        &self,
        batch: &WriteBatch,
        results: &Pointer,
        text: &str,
        answer: &Answer,
    ) -> Result<Vec<Outcome>, String> {
        let results = list(text, results)?;
        let found: Vec<Option<&RawValue>> = if batch.matched_by.is_empty() {
            if results.len() != self.changes.len() {
                return Err(format!("it has {} results of {} changes", results.len(), self.changes.len()));
            }
            results.into_iter().map(Some).collect()
        } else {
            let known: Vec<(HashSet<(usize, String)>, &RawValue)> =
                results.into_iter().map(|result| (marks(result.get(), &batch.matched_by), result)).collect();
            let elements = self.elements(batch);
            let own = elements.iter().map(|element| marks(element, &batch.matched_by));
            own.map(|own| known.iter().find(|(marks, _)| !marks.is_disjoint(&own)).map(|(_, result)| *result))
                .collect()
        };
        let outcome = |(change, result): (&Change, Option<&RawValue>)| {
            let Some(result) = result.map(RawValue::get) else { return Outcome::Untold };
            if let Some(success) = &batch.success
                && !is_true(result, success)
            {
                return self.refusal(answer, result);
            }
            match done(change) {
                Outcome::Untold => {
                    change.told(result, answer.original(text)).map_or(Outcome::Untold, Outcome::Made)
                }
                known => known,
            }
        };
        Ok(self.changes.iter().zip(found).map(outcome).collect())
    }

    /// What the answer says in refusing each.
    fn refused<'a>(
        &self,
        batch: &WriteBatch,
        errors: &BatchErrors,
        text: &'a str,
    ) -> Vec<Option<&'a RawValue>> {
        // Where nothing was refused there need not be a list.
        let errors_of = |error: &'a RawValue| {
            let marks = errors.matched_by.iter().flat_map(|at| values(error.get(), at));
            (marks.collect::<HashSet<String>>(), error)
        };
        let listed = list(text, &errors.items).unwrap_or_default();
        let known: Vec<(HashSet<String>, &RawValue)> = listed.into_iter().map(errors_of).collect();
        let of_change = |(change, element): (&Change, String)| {
            let marks = batch.matched_by.iter().flat_map(|at| values(&element, at));
            let own: HashSet<String> = marks.chain(change.own_id().map(str::to_owned)).collect();
            known.iter().find(|(marks, _)| !marks.is_disjoint(&own)).map(|(_, error)| *error)
        };
        self.changes.iter().zip(self.elements(batch)).map(of_change).collect()
    }

    /// The refusal of a change, in the part of an answer that is about it.
    fn refusal(&self, answer: &Answer, text: &str) -> Outcome {
        let declaration = &self.collection.declaration;
        let refusal = Refusal::of(declaration, answer.status.as_u16(), text);
        let message = word(text, declaration.errors.message.as_ref());
        let words = [refusal.code.clone(), message].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let problem = format!("the API refused it{}{words}", if words.is_empty() { "" } else { ": " });
        Outcome::Refused(Failure::new(FailureClass::BadRequest, problem), Box::new(refusal))
    }
}

/// What is known of a change that was done, whatever the answer shows.
fn done(change: &Change) -> Outcome {
    let Some(id) = &change.upstream_id else { return Outcome::Untold };
    match change.write() {
        Ok(write) if write.gone && change.action == Action::Delete => {
            Outcome::Made(Made::Shown(Ok(Record::gone(id))))
        }
        _ if change.is_read_back() => Outcome::Made(Made::Named(id.clone())),
        _ => Outcome::Untold,
    }
}

/// The elements of an array in an answer.
fn list<'a>(text: &'a str, at: &Pointer) -> Result<Vec<&'a RawValue>, String> {
    let [found] = pointer::follow(text.trim(), [Some(at)]).map_err(|_| "it is not JSON".to_owned())?;
    let found = found.ok_or_else(|| format!("it has no results at {at}"))?;
    serde_json::from_str(found.get()).map_err(|_| format!("what it has at {at} is no array"))
}

/// What tells an element or a result from others: at which of the places it has what.
fn marks(text: &str, places: &[Pointer]) -> HashSet<(usize, String)> {
    let of_place = |(n, at): (usize, &Pointer)| values(text, at).into_iter().map(move |value| (n, value));
    places.iter().enumerate().flat_map(of_place).collect()
}

/// The texts and whole numbers at a place, which is one of them or an array of them.
fn values(text: &str, at: &Pointer) -> Vec<String> {
    let Ok([Some(found)]) = pointer::follow(text, [Some(at)]) else { return Vec::new() };
    match serde_json::from_str::<Vec<&RawValue>>(found.get()) {
        Ok(several) => several.into_iter().filter_map(identifier).collect(),
        Err(_) => identifier(found).into_iter().collect(),
    }
}

fn is_true(text: &str, at: &Pointer) -> bool {
    matches!(pointer::follow(text, [Some(at)]), Ok([Some(found)]) if found.get() == "true")
}

/// A JSON object with the members of both.
fn merged(one: &str, other: &str) -> String {
    let inner = |text: &str| -> String {
        let text = text.trim();
        text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default().trim().to_owned()
    };
    let members: Vec<String> = [one, other].map(inner).into_iter().filter(|text| !text.is_empty()).collect();
    format!("{{{}}}", members.join(","))
}
