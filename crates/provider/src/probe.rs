//! The cheapest request that shows whether a credential is accepted.

use crate::{
    answer::{Answer, word},
    declaration::{Check, Declaration},
    request::{Draft, Request, at_path},
};
use sequin_domain::failure::Failure;
use url::Url;

/// What an API says of a credential that it accepts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    pub account: Option<String>,
    pub scopes: Option<String>,
}

pub fn request(base: &Url, check: &Check) -> Request {
    let mut url = at_path(base, &check.path);
    if !check.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&check.query);
    }
    Draft::new(url, check.body.as_ref()).whole()
}

pub fn interpret(declaration: &Declaration, check: &Check, answer: &Answer) -> Result<Identity, Failure> {
    let text = answer.text(declaration)?;
    let scopes = check.scopes.as_ref().and_then(|header| answer.header(header));
    Ok(Identity { account: word(&text, check.account.as_ref()), scopes: scopes.map(str::to_owned) })
}
