//! Putting a credential's secrets into headers.

use crate::{declaration::Authentication, template::Template};
use http::{HeaderName, HeaderValue};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("the credential has no {0:?}")]
    Missing(String),
    /// Says nothing of the secret but its name.
    #[error("{0:?} has characters that can't stand in an HTTP header")]
    NotAHeader(String),
}

impl Authentication {
    /// The headers that carry `secrets`, marked so that they are never printed.
    pub fn headers(
        &self,
        secrets: &BTreeMap<String, String>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Unusable> {
        for name in &self.secrets {
            match secrets.get(name) {
                None => return Err(Unusable::Missing(name.clone())),
                Some(secret) if secret.is_empty() => return Err(Unusable::Missing(name.clone())),
                Some(secret) if HeaderValue::from_str(secret).is_err() => {
                    return Err(Unusable::NotAHeader(name.clone()));
                }
                Some(_) => {}
            }
        }
        self.headers
            .iter()
            .map(|(name, value)| {
                let unusable = || Unusable::NotAHeader(name.clone());
                let template = Template::try_from(value.clone()).map_err(|_| unusable())?;
                let text = template.fill(|secret| secrets.get(secret).map(String::as_str));
                let mut value = HeaderValue::from_str(&text).map_err(|_| unusable())?;
                value.set_sensitive(true);
                Ok((HeaderName::try_from(name).map_err(|_| unusable())?, value))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    fn headers(secret: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Unusable> {
        let secrets = BTreeMap::from([("api_key".to_owned(), secret.to_owned())]);
        catalogue::find("stripe").unwrap().authentication[0].headers(&secrets)
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
}
