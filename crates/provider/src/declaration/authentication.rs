//! The kinds of credentials that an API knows.

use super::TokenSource;
use crate::{body::Body, pointer::Pointer, template::Template};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    pub kind: String,
    /// The properties of a credential that are secret; each must be given.
    pub secrets: Vec<String>,
    /// The properties that are no secret, and what they are where they are not given; `null`: they must be.
    #[serde(default)]
    pub settings: BTreeMap<String, Option<String>>,
    /// With `{property}` in them, and with `{access_token}` where there is a `token`.
    pub headers: BTreeMap<String, HeaderText>,
    /// How an access token is had, where the secrets are not sent to the API themselves.
    pub token: Option<TokenSource>,
    /// The cheapest request that shows whether a credential is accepted.
    pub check: Option<Check>,
}

impl Authentication {
    /// Whether a credential has a property of this name, secret or not.
    pub fn has_property(&self, name: &str) -> bool {
        self.settings.contains_key(name) || self.secrets.iter().any(|secret| secret == name)
    }

    /// Whether tokens are asked for elsewhere than by `old`, so that secrets would go to a server that they were not
    /// given for.
    pub fn moves_from(&self, old: &Self) -> bool {
        let Some(token) = self.token.as_ref().filter(|token| !token.url.is_path()) else { return false };
        let same = old.token.as_ref().is_some_and(|old| old.url == token.url);
        !same || self.settings != old.settings
    }
}

/// What a header says: a template, or an encoded one.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum HeaderText {
    Plain(String),
    Encoded(Encoded),
}

/// Such as `{"prefix": "Basic ", "base64": "{user}:{password}"}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoded {
    #[serde(default)]
    pub prefix: String,
    pub base64: String,
}

impl HeaderText {
    pub(crate) fn template(&self) -> Result<Template, String> {
        let (Self::Plain(text) | Self::Encoded(Encoded { base64: text, .. })) = self;
        Template::try_from(text.clone())
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub path: String,
    /// The parameters of the request.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// It is asked with it, by POST.
    pub body: Option<Body>,
    /// Where the answer says whose credential it is.
    pub account: Option<Pointer>,
    /// The header that says what the credential may do.
    pub scopes: Option<String>,
}
