//! How an access token is had, and renewed.

use super::{Errors, Moment};
use crate::{pointer::Pointer, template::Template};
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSource {
    /// A path behind the `base_url`, an https URL, or a setting that is one with a path behind it.
    pub url: Template,
    pub grant: Grant,
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// Sent beside what the grant asks for; what fills in to nothing is left out.
    #[serde(default)]
    pub parameters: BTreeMap<String, Template>,
    #[serde(default)]
    pub answer: TokenAnswer,
    /// For how many seconds a token is good, where the answer doesn't say. Without it, until it is refused.
    pub lifetime: Option<u64>,
    /// What is signed, for the grants that need it.
    pub jwt: Option<Jwt>,
    /// Whether a request that is refused for its credential is reason enough to renew the token.
    #[serde(default = "yes")]
    pub renew_when_refused: bool,
    /// What refusals of the token endpoint mean; those of RFC 6749 unless it says otherwise.
    pub errors: Option<Errors>,
    /// Where a user lets an application of one's own in.
    pub authorize: Option<Authorize>,
}

impl TokenSource {
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime.map(Duration::from_secs)
    }
}

fn yes() -> bool {
    true
}

/// What a token is given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// The property `refresh_token`, or the one that came with the last token. At first it can be the code of an
    /// authorization.
    RefreshToken,
    /// The client's own secret.
    ClientCredentials,
    /// A signed assertion in the body (RFC 7523).
    JwtBearer,
    /// A signed assertion in the `Authorization` header of an otherwise empty request.
    SignedRequest,
}

/// Where the properties `client_id` and `client_secret` stand in a request for a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    #[default]
    Body,
    Basic,
}

/// Where the parts of a token are in the answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenAnswer {
    pub access_token: Pointer,
    /// For how many seconds it is good …
    pub expires_in: Pointer,
    /// … or until when.
    pub expires_at: Option<Moment>,
    pub refresh_token: Pointer,
    pub scope: Pointer,
    /// Where the API is, for this token.
    pub base_url: Option<Pointer>,
}

impl Default for TokenAnswer {
    fn default() -> Self {
        let at = |key: &str| Pointer::to_key(key);
        Self {
            access_token: at("access_token"),
            expires_in: at("expires_in"),
            expires_at: None,
            refresh_token: at("refresh_token"),
            scope: at("scope"),
            base_url: None,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    pub algorithm: Algorithm,
    /// The secret that holds the private key, as PEM.
    pub key: String,
    /// Beside `iat` and `exp`.
    pub claims: BTreeMap<String, Template>,
    /// In seconds.
    pub lifetime: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorize {
    /// As the `url` of a token.
    pub url: Template,
    /// Whether the code is bound to who asked for it (RFC 7636).
    #[serde(default = "yes")]
    pub pkce: bool,
    /// Sent beside what OAuth asks for.
    #[serde(default)]
    pub parameters: BTreeMap<String, Template>,
    /// What stands between two scopes.
    #[serde(default = "space")]
    pub scope_separator: String,
}

fn space() -> String {
    " ".to_owned()
}
