//! Answers of which only a part is well, with a status that says nothing of it.

use crate::{
    answer::{shorten, word},
    declaration::PartErrors,
    pointer,
};
use serde_json::value::RawValue;

impl PartErrors {
    /// Fails where the answer says that something could not be read that may be there: what it doesn't show is not gone.
    pub(crate) fn check(&self, text: &str) -> Result<(), String> {
        let [items] = pointer::follow(text, [Some(&self.items)]).map_err(|error| error.to_string())?;
        let items: Vec<&RawValue> = match items {
            Some(items) if items.get() != "null" => serde_json::from_str(items.get())
                .map_err(|_| format!("there is no list of errors at {}", self.items))?,
            _ => return Ok(()),
        };
        let code = |item: &RawValue| word(item.get(), Some(&self.code)).unwrap_or_default();
        match items.into_iter().map(code).find(|code| *code != self.none) {
            Some(code) => Err(format!("not all of it could be read: {}", shorten(&code))),
            None => Ok(()),
        }
    }
}
