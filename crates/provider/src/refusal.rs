//! What an API has said in refusing a change.

use crate::{
    answer::{Answer, is_nothing, readable, shorten, word},
    declaration::{Declaration, RefusalWords},
    pointer,
    write::Change,
};
use sequin_domain::secret::Mask;
use serde_json::{Value, value::RawValue};

/// How much is kept of an API's words about a change that it refuses, in bytes.
const LONGEST_BODY: usize = 16 * 1024;

/// What an API has said in refusing a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: Option<String>,
    /// The body, as far as it is kept.
    pub body: String,
    /// Nothing was done, and another try may go better.
    pub is_undone: bool,
}

impl Refusal {
    /// The API's own words in an answer that is a failure.
    pub fn new(declaration: &Declaration, answer: &Answer) -> Self {
        let text = readable(&answer.body);
        let is_undone = declaration.errors.is_undone(answer, &text);
        Self { is_undone, ..Self::of(declaration, answer.status.as_u16(), &text) }
    }

    /// The same in an answer, or in the part of one that is about a single change.
    pub(crate) fn of(declaration: &Declaration, status: u16, text: &str) -> Self {
        let code = word(text, declaration.errors.code.as_ref());
        let mut body = text.to_owned();
        if body.len() > LONGEST_BODY {
            body.truncate(body.floor_char_boundary(LONGEST_BODY));
            // By this a mask knows that the text may end within a secret.
            body.push('…');
        }
        Self { status, code: code.map(|code| shorten(&code)), body, is_undone: false }
    }

    /// The body as JSON: as a text, where it is none. `None` where there is no body.
    pub fn json(&self) -> Option<String> {
        let body = self.body.trim();
        if body.is_empty() {
            return None;
        }
        let is_json = serde_json::from_str::<&RawValue>(body).is_ok();
        let readable = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        Some(if is_json { body.to_owned() } else { Value::from(readable(body)).to_string() })
    }

    /// The same with none of the secrets that the API was sent.
    pub fn without(self, secrets: &Mask) -> Self {
        Self { code: self.code.map(|code| secrets.hide(&code)), body: secrets.hide(&self.body), ..self }
    }
}

impl Change {
    /// What a good answer says of a change that it refuses.
    pub(crate) fn refused<'a>(&self, text: &'a str) -> Option<(&'a str, &RefusalWords)> {
        let at = self.write().ok()?.refused.as_ref()?;
        let words = &self.collection.declaration.writes.as_ref()?.refusal;
        let [found] = pointer::follow(text, [Some(at)]).ok()?;
        found.map(RawValue::get).filter(|said| !is_nothing(said)).map(|said| (said, words))
    }

    /// The API's own words in an answer that is a failure.
    pub fn refusal(&self, answer: &Answer) -> Refusal {
        let declaration = &self.collection.declaration;
        let told = Refusal::new(declaration, answer);
        let text = readable(&answer.body);
        match self.refused(&text).filter(|_| answer.judged(&declaration.errors).is_ok()) {
            Some((said, words)) => {
                let code = word(said, words.code.as_ref()).map(|code| shorten(&code));
                let is_undone = declaration.errors.is_refusal_undone(answer, said, words);
                Refusal { code, is_undone, ..told }
            }
            None => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use std::time::SystemTime;
    use url::Url;

    fn refusal(status: u16, body: &str) -> Refusal {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            received_at: SystemTime::UNIX_EPOCH,
            url: Url::parse("https://api.example.com").unwrap(),
        };
        Refusal::new(catalogue::find("stripe").unwrap(), &answer)
    }

    #[test]
    fn a_refusal_has_the_words_of_the_api() {
        let body = r#"{"error": {"code": "parameter_missing", "message": "no"}}"#;
        let code = Some("parameter_missing".to_owned());
        assert_eq!(
            refusal(400, body),
            Refusal { status: 400, code, body: body.to_owned(), is_undone: false }
        );
        let long = refusal(500, &"é".repeat(20_000));
        assert_eq!((long.code, long.body.len()), (None, LONGEST_BODY + '…'.len_utf8()));
        for (body, json) in [
            (body, Some(body)),
            ("", None),
            ("<\u{0}b>", Some("\"<b>\"")),
            ("{\"a\"", Some("\"{\\\"a\\\"\"")),
        ] {
            assert_eq!(refusal(400, body).json().as_deref(), json);
        }
    }

    #[test]
    fn a_secret_is_hidden_where_the_body_is_cut_within_it() {
        let secret = "sk_test_0123456789";
        for shown in [6, 10, secret.len() - 1] {
            let body = format!("{}{secret} is no key", " ".repeat(LONGEST_BODY - shown));
            let kept = refusal(400, &body).without(&Mask::new([secret.into()])).json().unwrap();
            assert!(!kept.contains("sk_"), "{shown}: {}", kept.trim());
        }
    }
}
