//! Access tokens: the request for one, and what the answer gives.

use crate::{
    answer::{Answer, shorten, word},
    authentication::{Properties, Unusable, given, sensitive},
    declaration::{ClientAuthentication, Errors, Grant, TokenSource},
    jwt,
    pointer::{self, Pointer},
    request::at_path,
    template::Template,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use sequin_domain::{
    failure::{Failure, FailureClass},
    secret::Secret,
    timestamp::Timestamp,
};
use serde_json::value::RawValue;
use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};
use url::{
    Url,
    form_urlencoded::{Serializer, byte_serialize},
};

/// A token that is said to be good for longer is taken to be good for so long.
const LONGEST_LIFETIME: Duration = Duration::from_secs(3650 * 86400);

/// What the refusals of RFC 6749 (section 5.2) mean.
static REFUSALS: LazyLock<Errors> = LazyLock::new(|| {
    serde_json::from_str(
        r#"{"code": "/error", "message": "/error_description", "retry_after": "Retry-After", "rules": [
            {"status": ["4xx"], "code": "invalid_grant", "class": "credential"},
            {"status": ["4xx"], "code": "invalid_client", "class": "credential"},
            {"status": ["4xx"], "code": "unauthorized_client", "class": "credential"},
            {"status": ["4xx"], "code": "access_denied", "class": "credential"},
            {"status": ["4xx"], "code": "temporarily_unavailable", "class": "transient"},
            {"status": [401, 403], "class": "credential"},
            {"status": [429], "class": "rate_limited"},
            {"status": [408, "5xx"], "class": "transient"},
            {"status": ["4xx"], "class": "bad_request"}]}"#,
    )
    .expect("it is checked by a test")
});

/// A POST that asks for a token. It has no `Debug`: all of it is secret.
pub struct TokenRequest {
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What an authorization ended with, good for one token.
pub struct Code {
    pub code: Secret,
    pub redirect_uri: String,
    pub verifier: Option<Secret>,
}

/// A token, and what came with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted {
    pub access_token: Secret,
    /// `None`: good until it is refused.
    pub expires_at: Option<Timestamp>,
    /// By our clock.
    pub received_at: Timestamp,
    /// Takes the place of the one before.
    pub refresh_token: Option<Secret>,
    pub scopes: Option<String>,
    pub base_url: Option<String>,
}

/// The address that a template of a declaration leads to.
pub(crate) fn address(template: &Template, base: &Url, properties: &Properties) -> Result<Url, Unusable> {
    let text = template.fill_url(|name| properties.get(name).map(Secret::as_str));
    if text.starts_with('/') {
        return Ok(at_path(base, &text));
    }
    Url::parse(&text).ok().filter(Url::has_host).ok_or(Unusable::NotAUrl(text))
}

impl TokenSource {
    /// Where tokens are asked for.
    pub fn address(&self, base: &Url, properties: &Properties) -> Result<Url, Unusable> {
        address(&self.url, base, properties)
    }

    /// The request for a token, as of `now`; for `code` where there is one.
    pub fn request(
        &self,
        base: &Url,
        properties: &Properties,
        code: Option<&Code>,
        now: SystemTime,
    ) -> Result<TokenRequest, Unusable> {
        let url = self.address(base, properties)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut form = Serializer::new(String::new());
        let signed = || match &self.jwt {
            Some(jwt) => jwt::assertion(jwt, properties, now),
            None => Err(Unusable::Missing("jwt".to_owned())),
        };
        match (self.grant, code) {
            (Grant::RefreshToken, Some(Code { code, redirect_uri, verifier })) => {
                form.append_pair("grant_type", "authorization_code");
                form.append_pair("code", code).append_pair("redirect_uri", redirect_uri);
                if let Some(verifier) = verifier {
                    form.append_pair("code_verifier", verifier);
                }
            }
            (Grant::RefreshToken, None) => {
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("refresh_token", given(properties, "refresh_token")?);
            }
            (Grant::ClientCredentials, _) => {
                form.append_pair("grant_type", "client_credentials");
            }
            (Grant::JwtBearer, _) => {
                form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
                form.append_pair("assertion", &signed()?);
            }
            (Grant::SignedRequest, _) => {
                insert_authorization(&mut headers, &format!("Bearer {}", signed()?));
            }
        }
        if self.grant != Grant::SignedRequest {
            self.authenticate_client(properties, &mut headers, &mut form);
        }
        for (name, template) in &self.parameters {
            let value = template.fill(|property| properties.get(property).map(Secret::as_str));
            if !value.is_empty() {
                form.append_pair(name, &value);
            }
        }
        let body = form.finish();
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        Ok(TokenRequest { url, headers, body: body.into() })
    }

    fn authenticate_client(
        &self,
        properties: &Properties,
        headers: &mut HeaderMap,
        form: &mut Serializer<'_, String>,
    ) {
        let (id, secret) = (properties.get("client_id"), properties.get("client_secret"));
        match (self.client_authentication, id, secret) {
            (ClientAuthentication::Basic, Some(id), Some(secret)) => {
                // Section 2.3.1 of RFC 6749 has both encoded as a form has them.
                let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
                insert_authorization(headers, &format!("Basic {pair}"));
            }
            (_, id, secret) => {
                for (name, value) in [("client_id", id), ("client_secret", secret)] {
                    if let Some(value) = value {
                        form.append_pair(name, value);
                    }
                }
            }
        }
    }

    /// The token in the answer to a request.
    pub fn granted(&self, answer: &Answer) -> Result<Granted, Failure> {
        let text = answer.judged(self.errors.as_ref().unwrap_or(&REFUSALS))?;
        let at = &self.answer;
        let pointers = [
            Some(&at.access_token),
            Some(&at.expires_in),
            at.expires_at.as_ref().map(|moment| &moment.at),
            Some(&at.refresh_token),
            Some(&at.scope),
            at.base_url.as_ref(),
        ];
        let found = pointer::follow(&text, pointers).map_err(|_| answer.bad_data("it is not JSON"))?;
        let [access_token, expires_in, expires_at, refresh_token, scopes, base_url] = found;
        let Some(access_token) = string(access_token).map(Secret::from) else {
            return Err(match word(&text, Some(&Pointer::to_key("error"))) {
                // Some refuse with a good status.
                Some(code) => Failure::new(
                    FailureClass::Credential,
                    format!("the API answered {}: {}", answer.status, shorten(&code)),
                ),
                None => answer.bad_data("there is no access token in it"),
            });
        };
        if HeaderValue::from_str(&access_token).is_err() {
            return Err(answer.bad_data("the access token in it can't stand in a header"));
        }
        let said_until =
            at.expires_at.as_ref().zip(expires_at).and_then(|(moment, raw)| moment.format.read(raw));
        let lifetime = seconds(expires_in)
            // By the API's own clock.
            .or_else(|| said_until.map(|until| between(answer.date(), until)))
            .or_else(|| self.lifetime());
        if lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            return Err(answer.bad_data("the access token in it has expired already"));
        }
        let expires_at = lifetime.map(|lifetime| answer.received_at + lifetime.min(LONGEST_LIFETIME));
        Ok(Granted {
            access_token,
            expires_at: expires_at.map(Timestamp::from),
            received_at: answer.received_at.into(),
            refresh_token: string(refresh_token).map(Secret::from),
            scopes: string(scopes),
            base_url: string(base_url),
        })
    }
}

fn insert_authorization(headers: &mut HeaderMap, text: &str) {
    // What is base64 can always stand in a header.
    if let Some(value) = sensitive(text) {
        headers.insert(AUTHORIZATION, value);
    }
}

fn string(raw: Option<&RawValue>) -> Option<String> {
    serde_json::from_str::<String>(raw?.get()).ok().filter(|text| !text.is_empty())
}

/// A number of seconds, which some write as a text.
fn seconds(raw: Option<&RawValue>) -> Option<Duration> {
    let text = raw?.get().trim_matches('"');
    Duration::try_from_secs_f64(text.parse::<f64>().ok()?.max(0.0)).ok()
}

fn between(from: Timestamp, until: Timestamp) -> Duration {
    SystemTime::from(until).duration_since(from.into()).unwrap_or_default()
}
