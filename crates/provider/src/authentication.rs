//! Putting the properties of a credential into headers.

use crate::{
    declaration::{ACCESS_TOKEN, Authentication, Encoded, Grant, HeaderText},
    jwt,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue};
use sequin_domain::secret::Secret;
use std::collections::BTreeMap;

/// What a credential consists of, secret or not, by name.
pub type Properties = BTreeMap<String, Secret>;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("the credential has no {0:?}")]
    Missing(String),
    /// Says nothing of the secret but its name.
    #[error("{0:?} has characters that can't stand in an HTTP header")]
    NotAHeader(String),
    #[error("{0:?} is no private key that can be used: {1}")]
    NotAKey(String, String),
    #[error("it leads to {0:?}, which is no URL")]
    NotAUrl(String),
}

impl Authentication {
    /// The headers that carry `properties`, marked so that they are never printed.
    pub fn headers(&self, properties: &Properties) -> Result<Vec<(HeaderName, HeaderValue)>, Unusable> {
        self.headers
            .iter()
            .map(|(name, text)| {
                let unusable = || Unusable::NotAHeader(name.clone());
                let template = text.template().map_err(|_| unusable())?;
                for property in template.names() {
                    let value = given(properties, property)?;
                    if matches!(text, HeaderText::Plain(_)) && HeaderValue::from_str(value).is_err() {
                        return Err(Unusable::NotAHeader(property.to_owned()));
                    }
                }
                let filled =
                    Secret::from(template.fill(|property| properties.get(property).map(Secret::as_str)));
                let value = match text {
                    HeaderText::Plain(_) => filled,
                    HeaderText::Encoded(Encoded { prefix, .. }) => {
                        (prefix.clone() + &STANDARD.encode(filled.as_str())).into()
                    }
                };
                let value = sensitive(&value).ok_or_else(unusable)?;
                Ok((HeaderName::try_from(name).map_err(|_| unusable())?, value))
            })
            .collect()
    }

    /// The properties with what they are where they were not given.
    pub fn with_defaults(&self, mut properties: Properties) -> Properties {
        for (name, default) in &self.settings {
            if let Some(default) = default {
                properties.entry(name.clone()).or_insert_with(|| default.clone().into());
            }
        }
        properties
    }

    /// Whether `properties`, with their defaults, make a credential. `is_authorized`: there is something else than the
    /// property `refresh_token` to begin with.
    pub fn accept(&self, properties: &Properties, is_authorized: bool) -> Result<(), Unusable> {
        let begins_with = |name: &str| {
            self.token.as_ref().is_some_and(|token| token.grant == Grant::RefreshToken)
                && name == "refresh_token"
        };
        for name in self.secrets.iter().chain(self.settings.keys()) {
            if !(is_authorized && begins_with(name)) {
                given(properties, name)?;
            }
        }
        let Some(token) = &self.token else { return self.headers(properties).map(drop) };
        if let Some(jwt) = &token.jwt {
            jwt::key_pair(jwt, properties)?;
        }
        let mut with_token = properties.clone();
        with_token.insert(ACCESS_TOKEN.to_owned(), "x".into());
        self.headers(&with_token).map(drop)
    }
}

/// The value of a property, which must not be empty.
pub(crate) fn given<'a>(properties: &'a Properties, name: &str) -> Result<&'a str, Unusable> {
    let value = properties.get(name).filter(|value| !value.is_empty());
    value.map(Secret::as_str).ok_or_else(|| Unusable::Missing(name.to_owned()))
}

/// A header that is never printed.
pub(crate) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    fn properties(pairs: &[(&str, &str)]) -> Properties {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
    }

    fn headers(secret: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Unusable> {
        catalogue::find("stripe").unwrap().authentication[0].headers(&properties(&[("api_key", secret)]))
    }

    #[test]
    fn the_secret_is_sent_and_not_printed() {
        let headers = headers("sk_test_1").unwrap();
        assert_eq!(headers[0].0, "authorization");
        assert_eq!(headers[0].1.to_str().unwrap(), "Bearer sk_test_1");
        assert!(!format!("{headers:?}").contains("sk_test_1"));
    }

    #[test]
    fn a_secret_cannot_add_headers() {
        assert_eq!(headers("x\r\nHost: evil"), Err(Unusable::NotAHeader("api_key".into())));
        assert_eq!(headers(""), Err(Unusable::Missing("api_key".into())));
    }

    #[test]
    fn user_and_password_are_sent_encoded() {
        let kind: Authentication = serde_json::from_str(
            r#"{"kind": "basic", "secrets": ["password"], "settings": {"user": "api"},
                "headers": {"Authorization": {"prefix": "Basic ", "base64": "{user}:{password}"}}}"#,
        )
        .unwrap();
        let given = kind.with_defaults(properties(&[("password", "pä:ss\n")]));
        assert_eq!(kind.accept(&given, false), Ok(()));
        assert_eq!(kind.headers(&given).unwrap()[0].1, "Basic YXBpOnDDpDpzcwo=");
        let nothing = kind.with_defaults(Properties::new());
        assert_eq!(kind.accept(&nothing, false), Err(Unusable::Missing("password".into())));
    }
}
