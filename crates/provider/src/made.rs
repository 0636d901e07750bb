//! What an answer to a change says of the object.

use crate::{
    answer::{Answer, Original},
    omit::without,
    pointer::{self, Pointer},
    record::{Reader, Record, Rejected, identifier},
    write::Change,
};
use sequin_domain::{
    failure::{Failure, FailureClass},
    mutation::Action,
};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What an answer to a change says of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// The object, as lists show it.
    Shown(Result<Record, Rejected>),
    /// Which it is: what it is now has to be read.
    Named(String),
}

impl Change {
    /// What the answer says of the object. That a thing to be deleted is missing means that it is deleted, where the API
    /// can't be asked whether it is.
    ///
    /// A failure of the class `BadData` can come from a change that was made.
    pub fn interpret(&self, answer: &Answer) -> Result<Made, Failure> {
        let declaration = &self.collection.declaration;
        let found = answer.text(declaration).and_then(|text| match self.refused(&text) {
            Some((said, words)) => Err(declaration.errors.refused(answer, said, words)),
            None => Ok(text),
        });
        let text = match found {
            Ok(text) => text,
            Err(failure) if failure.class == FailureClass::Missing && self.action == Action::Delete => {
                return self.missing().ok_or(failure);
            }
            Err(failure) => return Err(failure),
        };
        let write = self.write().map_err(|problem| answer.bad_data(problem))?;
        // What is in the way of the API answers too, and well.
        if (write.refused.is_some() && !is_json(&text)) || (self.is_read_back() && !says_nothing(&text)) {
            return Err(answer.bad_data("it is not JSON"));
        }
        if let Some(id) = self.upstream_id.as_deref().filter(|_| write.gone) {
            return Ok(Made::Shown(Ok(Record::gone(id))));
        }
        // There need not be anything in the answer.
        if let Some(id) = self.upstream_id.clone().filter(|_| self.is_read_back()) {
            return Ok(Made::Named(id));
        }
        let found = pointer::follow(text.trim(), [Some(&write.record)]);
        let [object] = found.map_err(|_| answer.bad_data("it is not JSON"))?;
        let object =
            object.ok_or_else(|| answer.bad_data(format!("it has no object at {}", write.record)))?;
        self.told(object.get(), answer.original(&text)).map_err(|problem| answer.bad_data(problem))
    }

    /// What it means that the API knows nothing of what is to be deleted. It may say so of what is hidden, or in the way of
    /// something else: `None` where it has to be looked for.
    fn missing(&self) -> Option<Made> {
        let id = self.upstream_id.as_deref()?;
        let is_gone_then = self.write().is_ok_and(|write| write.gone);
        if !is_gone_then && self.collection.is_retrievable() {
            // Some that are deleted stay, as a subscription that is cancelled, and can't be deleted again.
            return Some(Made::Named(id.to_owned()));
        }
        (!self.can_be_seen()).then(|| Made::Shown(Ok(Record::gone(id))))
    }

    /// What an answer to the change tells of the object; fails where nobody could say which object it is.
    pub(crate) fn told(&self, object: &str, original: Option<Original>) -> Result<Made, String> {
        let id = self.collection.declaration.writes.as_ref().and_then(|writing| writing.id.clone());
        self.made(object, id, original)
    }

    /// The same of an object that is shown as lists show it.
    pub(crate) fn shown(&self, object: &str, original: Option<Original>) -> Result<Made, String> {
        self.made(object, None, original)
    }

    /// `id`: where the object is named, if not where objects have their id.
    fn made(&self, object: &str, id: Option<Pointer>, original: Option<Original>) -> Result<Made, String> {
        if self.is_read_back() {
            let id = id.unwrap_or_else(|| self.collection.shape().id);
            let [found] = pointer::follow(object, [Some(&id)]).map_err(|problem| problem.to_string())?;
            let found = found.and_then(identifier).ok_or_else(|| format!("it has no id at {id}"))?;
            return Ok(Made::Named(found));
        }
        let omitted = &self.collection.writes.omit;
        // What is not UTF-8 is set aside as it came.
        let shown = match original {
            None if !omitted.is_empty() => Cow::Owned(without(object, omitted)),
            _ => Cow::Borrowed(object),
        };
        match Reader::new(&self.collection, original).read(&shown, self.parent().as_deref()) {
            Err(rejected) if rejected.upstream_id.is_none() => Err(rejected.reason),
            read => Ok(Made::Shown(read)),
        }
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text.trim()).is_ok()
}

/// Whether an answer of which nothing is read can be the API's.
pub(crate) fn says_nothing(text: &str) -> bool {
    text.trim().is_empty() || is_json(text)
}
