//! What the kinds of credentials of a declaration must not say.

use super::{
    Authentication, Declaration, Grant, Invalid, TokenSource,
    check::{Checked, constant_path, name, refuse},
};
use crate::template::Template;
use http::HeaderName;
use url::Url;

/// An assertion that lives longer is worth stealing, and no API takes it.
const LONGEST_ASSERTION: u64 = 3600;
/// What every credential can have, or a token brings, is no property of a kind.
const TAKEN: [&str; 4] = ["kind", "base_url", "oauth_app", ACCESS_TOKEN];
/// What the headers of a kind with tokens call the token.
pub const ACCESS_TOKEN: &str = "access_token";

impl Declaration {
    pub(super) fn check_authentication(&self) -> Checked {
        if self.authentication.is_empty() {
            return refuse("/authentication", "at least one kind of credential is needed");
        }
        for (n, kind) in self.authentication.iter().enumerate() {
            let at = |key: &str| format!("/authentication/{n}{key}");
            name(&at("/kind"), &kind.kind)?;
            if self.authentication[..n].iter().any(|other| other.kind == kind.kind) {
                return refuse(at("/kind"), "another kind has this name");
            }
            check_kind(&at(""), kind)?;
        }
        Ok(())
    }
}

fn check_kind(place: &str, kind: &Authentication) -> Checked {
    let at = |key: &str| format!("{place}{key}");
    let properties = kind.secrets.iter().chain(kind.settings.keys());
    if let Some(taken) = properties.into_iter().find(|name| TAKEN.contains(&name.as_str())) {
        return refuse(place, format!("{taken:?} can't be a property of its own"));
    }
    if let Some(both) = kind.secrets.iter().find(|secret| kind.settings.contains_key(*secret)) {
        return refuse(at("/settings"), format!("{both:?} is among the secrets already"));
    }
    for (header, value) in &kind.headers {
        if HeaderName::try_from(header).is_err() {
            return refuse(at("/headers"), format!("{header:?} can't be an HTTP header"));
        }
        let template = value.template().map_err(|problem| Invalid { at: at("/headers"), problem })?;
        let is_known = |name: &str| kind.has_property(name) || (name == ACCESS_TOKEN && kind.token.is_some());
        if let Some(unknown) = template.names().find(|name| !is_known(name)) {
            let problem = format!("{{{unknown}}} is not among the secrets of this kind");
            return refuse(at("/headers"), problem);
        }
    }
    if let Some(check) = &kind.check {
        constant_path(&at("/check/path"), &check.path)?;
        if check.body.as_ref().is_some_and(|body| !body.is_object() || body.unknown(|_| false).is_some()) {
            return refuse(
                at("/check/body"),
                "it must be an object, in which there is nothing to be filled in",
            );
        }
    }
    kind.token.as_ref().map_or(Ok(()), |token| check_source(&at("/token"), kind, token))
}

fn check_source(place: &str, kind: &Authentication, token: &TokenSource) -> Checked {
    let at = |key: &str| format!("{place}{key}");
    check_url(&at("/url"), kind, &token.url)?;
    for template in token.parameters.values() {
        check_names(&at("/parameters"), kind, template)?;
    }
    if token.grant == Grant::RefreshToken && !kind.secrets.iter().any(|secret| secret == "refresh_token") {
        return refuse(at("/grant"), "the kind needs the secret refresh_token");
    }
    if token.lifetime == Some(0) {
        return refuse(at("/lifetime"), "it must be at least a second");
    }
    let is_signed = matches!(token.grant, Grant::JwtBearer | Grant::SignedRequest);
    match &token.jwt {
        None if is_signed => return refuse(at("/jwt"), "the grant needs it"),
        Some(_) if !is_signed => return refuse(at("/jwt"), "the grant doesn't use it"),
        Some(jwt) => {
            if !kind.secrets.contains(&jwt.key) {
                return refuse(at("/jwt/key"), "it is not among the secrets of this kind");
            }
            if !(1..=LONGEST_ASSERTION).contains(&jwt.lifetime) {
                return refuse(
                    at("/jwt/lifetime"),
                    format!("it must be from 1 to {LONGEST_ASSERTION} seconds"),
                );
            }
            for template in jwt.claims.values() {
                check_names(&at("/jwt/claims"), kind, template)?;
            }
        }
        None => {}
    }
    let Some(authorize) = &token.authorize else { return Ok(()) };
    if token.grant != Grant::RefreshToken || !kind.has_property("client_id") {
        return refuse(at("/authorize"), "it needs the grant refresh_token and the property client_id");
    }
    check_url(&at("/authorize/url"), kind, &authorize.url)?;
    for template in authorize.parameters.values() {
        // Whoever sees the URL sees them.
        if let Some(secret) = template.names().find(|name| !kind.settings.contains_key(*name)) {
            return refuse(at("/authorize/parameters"), format!("{{{secret}}} is not among the settings"));
        }
    }
    Ok(())
}

fn check_names(at: &str, kind: &Authentication, template: &Template) -> Checked {
    match template.names().find(|name| !kind.has_property(name)) {
        None => Ok(()),
        Some(unknown) => refuse(at, format!("{{{unknown}}} is not among the properties of this kind")),
    }
}

/// Secrets are sent there: to the API itself, to a server that is declared, or to one that was given with them.
fn check_url(at: &str, kind: &Authentication, url: &Template) -> Checked {
    if let Some(name) = url.names().find(|name| !kind.settings.contains_key(*name)) {
        return refuse(at, format!("{{{name}}} is not among the settings of this kind"));
    }
    let filled = url.fill_url(|name| Some(if url.begins_with(name) { "https://example.com" } else { "x" }));
    if filled.starts_with('/') {
        return constant_path(at, &filled);
    }
    match Url::parse(&filled) {
        Ok(url)
            if url.scheme() == "https"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none() =>
        {
            Ok(())
        }
        _ => refuse(at, "it must be a path, an https:// URL, or begin with a setting that is one"),
    }
}
