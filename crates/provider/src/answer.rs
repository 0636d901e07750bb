//! What an API answered, and what that means where it is not what was asked for.

use crate::{
    declaration::{
        Cost, Declaration, ErrorRule, Errors, Limits, QuotaHeaders, RefusalWords, ResetFormat, UsageHeader,
    },
    pointer::{self, Pointer},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use sequin_domain::{
    failure::{Failure, FailureClass},
    timestamp::Timestamp,
};
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use url::Url;

/// An answer to a request, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub received_at: SystemTime,
    /// What was asked.
    pub url: Url,
}

/// What an API says of the points that requests cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Points {
    /// What is left.
    pub available: f64,
    pub restored_per_second: f64,
    /// How much there is at most, where it says it.
    pub maximum: Option<f64>,
    /// What this request has cost, where it says it.
    pub spent: Option<f64>,
}

/// The longest that an API is believed when it asks to be left alone.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);
/// How far ahead the API's clock may be of ours.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);
/// The longest piece of an API's own words that is shown.
const LONGEST_MESSAGE: usize = 500;

impl Answer {
    /// The body of a successful answer as text, or what the answer means.
    ///
    /// Each byte that is not UTF-8 is replaced by a question mark, and only then is the text owned.
    pub fn text(&self, declaration: &Declaration) -> Result<Cow<'_, str>, Failure> {
        self.judged(&declaration.errors).map_err(|mut failure| {
            // It may be another limit than the one that the headers tell of.
            let is_the_quota = |quota: &QuotaHeaders| quota.left(self).is_none_or(|left| left < 1.0);
            let limits = &declaration.rate_limit;
            if failure.class == FailureClass::RateLimited && failure.retry_after.is_none() {
                let is_known = limits.headers.as_ref().is_some_and(is_the_quota);
                let until_reset = is_known.then(|| limits.reset_in(self)).flatten();
                failure.retry_after = until_reset.or_else(|| limits.usage.as_ref()?.pause(self));
            }
            failure
        })
    }

    /// The same by `errors` alone.
    pub(crate) fn judged(&self, errors: &Errors) -> Result<Cow<'_, str>, Failure> {
        let text = readable(&self.body);
        let is_refused = || match errors.failed.is_empty() {
            true => errors.rule(self, &text).is_some(),
            false => errors.failed_with(&text).is_some(),
        };
        if self.status.is_success() && !is_refused() { Ok(text) } else { Err(errors.interpret(self, &text)) }
    }

    /// For how long nothing more may be asked, as the API says that its quota is used up.
    pub fn pause(&self, limits: &Limits) -> Option<Duration> {
        let quota = limits.headers.as_ref().filter(|quota| quota.left(self).is_some_and(|left| left < 1.0));
        let until_reset = quota.and_then(|_| limits.reset_in(self));
        let cost = limits.cost.as_ref().filter(|cost| cost.reserve.is_none());
        let until_restored = cost.and_then(|cost| cost.pause(&readable(&self.body)));
        let used_up = limits.usage.as_ref().and_then(|usage| usage.pause(self));
        until_reset.max(until_restored).max(used_up).filter(|pause| !pause.is_zero())
    }

    /// What the API says of the points that requests cost, where some are set aside for each.
    pub fn points(&self, limits: &Limits) -> Option<Points> {
        limits.cost.as_ref().filter(|cost| cost.reserve.is_some())?.points(&readable(&self.body))
    }

    /// The bytes behind a text that [`Answer::text`] gave; `None` where they are the text.
    pub fn original(&self, text: &str) -> Option<Original> {
        let is_body = std::ptr::eq(text.as_ptr(), self.body.as_ptr());
        (!is_body).then(|| Original { start: text.as_ptr().addr(), bytes: self.body.clone() })
    }

    /// The failure of an answer whose text is not what the API documents.
    pub fn bad_data(&self, problem: impl std::fmt::Display) -> Failure {
        let kind = self.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = shorten(kind.unwrap_or("no content type"));
        let length = self.body.len();
        Failure::new(
            FailureClass::BadData,
            format!("the answer can't be used: {problem} ({kind}, {length} bytes)"),
        )
    }

    /// The API's clock, or ours where it doesn't tell or is far ahead: what is to come can't have happened.
    pub fn date(&self) -> Timestamp {
        let date = self.headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
        date.map_or(self.received_at, SystemTime::from).min(self.received_at + CLOCK_SLACK).into()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }
}

impl UsageHeader {
    /// For how long nothing is asked; `None` where there is something left.
    fn pause(&self, answer: &Answer) -> Option<Duration> {
        let mut parts = answer.header(&self.header)?.split([',', ';']).map(str::trim);
        let numbers = parts.find_map(|part| part.strip_prefix(self.name.as_str())?.strip_prefix('='))?;
        let (used, allowed) = numbers.split_once('/')?;
        let digits = allowed.find(|c: char| !c.is_ascii_digit()).map_or(allowed, |end| &allowed[..end]);
        let (used, allowed): (u64, u64) = (used.parse().ok()?, digits.parse().ok()?);
        (used >= allowed).then(|| Duration::from_secs(self.pause))
    }
}

impl Limits {
    /// How long it is until the quota is whole again, by the API's own clock.
    fn reset_in(&self, answer: &Answer) -> Option<Duration> {
        let QuotaHeaders { reset, reset_format, .. } = self.headers.as_ref()?;
        let number: f64 = answer.header(reset)?.parse().ok()?;
        let left = match reset_format {
            ResetFormat::Seconds => number,
            ResetFormat::Milliseconds => number / 1000.0,
            #[allow(clippy::cast_precision_loss, reason = "years of seconds are exact")]
            ResetFormat::UnixSeconds => number - answer.date().unix_seconds() as f64,
        };
        Some(Duration::try_from_secs_f64(left.max(0.0)).ok()?.min(LONGEST_RETRY_AFTER))
    }
}

impl QuotaHeaders {
    /// How many requests are left, where the answer says it.
    fn left(&self, answer: &Answer) -> Option<f64> {
        answer.header(&self.remaining)?.parse().ok()
    }
}

impl Cost {
    /// How long it takes until as much is there again as this request was worth.
    fn pause(&self, text: &str) -> Option<Duration> {
        let pointers = [&self.requested, &self.available, &self.restore_per_second].map(Some);
        let found = pointer::follow(text, pointers).ok()?;
        let [requested, available, restored] =
            found.map(|raw| raw.and_then(|raw| raw.get().parse::<f64>().ok()));
        let (missing, restored) = (requested? - available?, restored?);
        if missing <= 0.0 || restored <= 0.0 {
            return None;
        }
        Some(Duration::try_from_secs_f64(missing / restored).ok()?.min(LONGEST_RETRY_AFTER))
    }
}

impl Cost {
    fn points(&self, text: &str) -> Option<Points> {
        let Self { available, restore_per_second, maximum, actual, .. } = self;
        let pointers = [Some(available), Some(restore_per_second), maximum.as_ref(), actual.as_ref()];
        let found = pointer::follow(text, pointers).ok()?;
        let number = |raw: Option<&RawValue>| raw?.get().parse::<f64>().ok().filter(|n| n.is_finite());
        let [available, restored_per_second, maximum, spent] = found.map(number);
        Some(Points {
            available: available?,
            restored_per_second: restored_per_second.filter(|restored| *restored > 0.0)?,
            maximum,
            spent,
        })
    }
}

/// What stood where a text has question marks.
#[derive(Debug, Clone)]
pub struct Original {
    /// The address of the text, which is as long as the bytes.
    start: usize,
    bytes: Bytes,
}

impl Original {
    /// The bytes of a part of the text.
    pub fn of<'a>(&'a self, part: &'a str) -> &'a [u8] {
        let from = part.as_ptr().addr().wrapping_sub(self.start);
        // What is no part of the text has only itself.
        self.bytes.get(from..from.saturating_add(part.len())).unwrap_or(part.as_bytes())
    }

    /// Whether a part of the text is what the API sent.
    pub fn is_intact(&self, part: &str) -> bool {
        self.of(part) == part.as_bytes()
    }
}

/// The bytes as a text of the same length, so that each part of it can be found among the bytes again.
pub(crate) fn readable(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    Cow::Owned(text)
}

impl Errors {
    /// The rule for the answer. `None`, where it is a good one or no rule knows it.
    fn rule(&self, answer: &Answer, text: &str) -> Option<&ErrorRule> {
        let mut rules = self.about(answer).peekable();
        // Most answers are good, and not read for a code.
        rules.peek()?;
        let code = word(text, self.code.as_ref());
        rules.find(|rule| rule.code.is_none() || rule.code == code)
    }

    /// The rules for answers of its status and headers.
    fn about<'a>(&'a self, answer: &Answer) -> impl Iterator<Item = &'a ErrorRule> {
        let status = answer.status.as_u16();
        let of_status =
            self.rules.iter().filter(move |rule| rule.status.iter().any(|pattern| pattern.matches(status)));
        of_status.filter(move |rule| {
            rule.header.as_ref().is_none_or(|header| {
                let found = answer.header(&header.name);
                found.is_some() && header.value.as_deref().is_none_or(|value| found == Some(value))
            })
        })
    }

    /// What it means that an answer, good otherwise, refuses a change: `refusal` is what it says of that.
    pub(crate) fn refused(&self, answer: &Answer, refusal: &str, at: &RefusalWords) -> Failure {
        let [code, message] = [&at.code, &at.message].map(|pointer| word(refusal, pointer.as_ref()));
        let is_missing = at.missing.iter().any(|said| {
            code.as_ref() == Some(said) || message.as_ref().is_some_and(|words| words.contains(said.as_str()))
        });
        let rule = self.of_code(answer, code.as_deref());
        let class = match rule {
            _ if is_missing => FailureClass::Missing,
            Some(rule) => rule.class,
            None => FailureClass::BadRequest,
        };
        let words = words(code, message).unwrap_or_else(|| format!(": {}", shorten(refusal)));
        Failure::new(class, format!("the API answered {}{words}", answer.status))
    }

    /// Whether such an answer says that nothing was done, and that another try may go better.
    pub(crate) fn is_refusal_undone(&self, answer: &Answer, refusal: &str, at: &RefusalWords) -> bool {
        let code = word(refusal, at.code.as_ref());
        self.of_code(answer, code.as_deref()).is_some_and(|rule| rule.undone)
    }

    /// The rule for answers of its status and headers with this code.
    fn of_code(&self, answer: &Answer, code: Option<&str>) -> Option<&ErrorRule> {
        self.about(answer).find(|rule| rule.code.is_some() && rule.code.as_deref() == code)
    }

    /// What an answer has that only failures have.
    fn failed_with<'a>(&self, text: &'a str) -> Option<&'a RawValue> {
        let found = |at: &Pointer| pointer::follow(text, [Some(at)]).ok()?[0];
        self.failed.iter().filter_map(found).find(|raw| !is_nothing(raw.get()))
    }

    /// Whether the API says that nothing was done, and that another try may go better.
    pub(crate) fn is_undone(&self, answer: &Answer, text: &str) -> bool {
        self.rule(answer, text).is_some_and(|rule| rule.undone)
    }

    fn interpret(&self, answer: &Answer, text: &str) -> Failure {
        let [code, message] = [&self.code, &self.message].map(|pointer| word(text, pointer.as_ref()));
        let rule = self.rule(answer, text);
        let mut class = rule.map_or(FailureClass::Unknown, |rule| rule.class);
        let may_be_hidden = rule.is_some_and(|rule| rule.or_hidden);
        let header = |name: &Option<String>| answer.header(name.as_ref()?);
        if class != FailureClass::RateLimited && header(&self.should_retry) == Some("true") {
            class = FailureClass::Transient;
        }
        let failed = || self.failed_with(text).map(|raw| shorten(raw.get()));
        let words =
            words(code, message).or_else(|| failed().map(|failed| format!(": {failed}"))).unwrap_or_default();
        let retry_after = header(&self.retry_after).and_then(|value| retry_after(value, answer.received_at));
        let message = format!("the API answered {}{words}", answer.status);
        Failure { class, message, retry_after, may_be_hidden }
    }
}

/// Whether a JSON value says nothing: null, false, or empty.
pub(crate) fn is_nothing(json: &str) -> bool {
    let is_empty = |open: char, close: char| {
        json.strip_prefix(open)
            .and_then(|json| json.strip_suffix(close))
            .is_some_and(|json| json.trim().is_empty())
    };
    matches!(json, "null" | "false" | "\"\"") || is_empty('[', ']') || is_empty('{', '}')
}

/// An API's words, behind a colon.
fn words(code: Option<String>, message: Option<String>) -> Option<String> {
    match (code, message) {
        (Some(code), Some(message)) => Some(format!(": {}: {}", shorten(&code), shorten(&message))),
        (Some(word), None) | (None, Some(word)) => Some(format!(": {}", shorten(&word))),
        (None, None) => None,
    }
}

/// The text or the number at the pointer.
pub(crate) fn word(text: &str, pointer: Option<&Pointer>) -> Option<String> {
    let [raw] = pointer::follow(text, [Some(pointer?)]).ok()?;
    let raw = raw?.get();
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok(),
        b'0'..=b'9' | b'-' => Some(raw.to_owned()),
        _ => None,
    }
}

/// `Retry-After`, as a (possibly broken) number of seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let asked = match value.trim().parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => {
            let date = OffsetDateTime::parse(value.trim(), &Rfc2822).ok()?;
            SystemTime::from(date).duration_since(now).unwrap_or_default()
        }
    };
    Some(asked.min(LONGEST_RETRY_AFTER))
}

pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_MESSAGE).collect();
    if text.chars().count() > LONGEST_MESSAGE {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    fn interpret(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Failure {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect(),
            body: Bytes::from_static(body.as_bytes()),
            received_at: SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
            url: Url::parse("https://api.example.com").unwrap(),
        };
        answer.text(catalogue::find("stripe").unwrap()).unwrap_err()
    }

    #[test]
    fn stripes_errors_are_told_apart() {
        use FailureClass::*;
        for (status, body, class) in [
            (401, r#"{"error": {"message": "Invalid API Key provided"}}"#, Credential),
            (403, "", Permission),
            (404, r#"{"error": {"code": "resource_missing"}}"#, Missing),
            (404, "<html>", BadRequest),
            (400, r#"{"error": {"code": "parameter_unknown"}}"#, BadRequest),
            (429, "{}", RateLimited),
            (500, "", Transient),
            (503, "", Transient),
            (302, "", Unknown),
        ] {
            assert_eq!(interpret(status, &[], body).class, class, "{status} {body}");
        }
    }

    #[test]
    fn what_is_not_utf_8_can_be_found_again() {
        let answer = |body: &'static [u8]| Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body),
            received_at: SystemTime::UNIX_EPOCH,
            url: Url::parse("https://api.example.com").unwrap(),
        };
        let stripe = catalogue::find("stripe").unwrap();
        let whole = answer("é ?".as_bytes());
        assert!(whole.original(&whole.text(stripe).unwrap()).is_none());
        let broken = answer(b"\xc3\xa9|caf\xe9 \xff|\xf0\x9f\x98|?");
        let text = broken.text(stripe).unwrap();
        assert_eq!(text, "é|caf? ?|???|?");
        let original = broken.original(&text).unwrap();
        let parts: Vec<&[u8]> = text.split('|').map(|part| original.of(part)).collect();
        assert_eq!(parts, [&b"\xc3\xa9"[..], b"caf\xe9 \xff", b"\xf0\x9f\x98", b"?"]);
        let intact: Vec<bool> = text.split('|').map(|part| original.is_intact(part)).collect();
        assert_eq!(intact, [true, false, false, true]);
        assert_eq!(original.of("from elsewhere"), b"from elsewhere");
    }

    #[test]
    fn the_api_is_quoted_but_not_at_length() {
        let failure = interpret(400, &[], r#"{"error": {"code": "c", "message": "no such\u0000 thing"}}"#);
        assert_eq!(failure.message, "the API answered 400 Bad Request: c: no such thing");
        let long: &'static str = format!(r#"{{"error": {{"message": "{}"}}}}"#, "é".repeat(10_000)).leak();
        assert!(interpret(400, &[], long).message.chars().count() < 600);
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        for (value, seconds) in [
            ("2", Some(2.0)),
            ("2.5", Some(2.5)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10.0)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0.0)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
            ("1e99", None),
            ("999999999", Some(86400.0)),
        ] {
            let failure = interpret(429, &[("retry-after", value)], "");
            assert_eq!(failure.retry_after.map(|asked| asked.as_secs_f64()), seconds, "{value}");
        }
    }

    #[test]
    fn stripe_says_when_a_retry_makes_sense() {
        assert_eq!(interpret(409, &[("stripe-should-retry", "true")], "").class, FailureClass::Transient);
        assert_eq!(interpret(400, &[("stripe-should-retry", "true")], "").class, FailureClass::Transient);
        assert_eq!(interpret(429, &[("stripe-should-retry", "true")], "").class, FailureClass::RateLimited);
    }
}
