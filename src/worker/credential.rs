//! A credential as the worker uses it: where its requests go and with what, or why there can be none.

use super::{
    request::Target,
    watch::{Origin, Seen},
};
use crate::{
    error::Result as SqlResult,
    secret::{self, Reference, Secrets},
    settings::Settings,
    store::plan,
};
use pgrx::pg_sys::panic::ErrorReport;
use sequin_domain::{
    failure::{Failure, FailureClass},
    secret::{Mask, Secret},
    timestamp::Timestamp,
};
use sequin_net::LaneId;
use sequin_provider::{
    authentication::{Properties, Unusable},
    declaration::{ACCESS_TOKEN, Authentication, Declaration, TokenSource},
    token::Code,
};
use std::{sync::Arc, time::SystemTime};
use url::Url;

/// What is sealed with a token and could be shown.
const BESIDE_TOKENS: [&str; 2] = ["base_url", "redirect_uri"];

pub struct CredentialContext {
    pub row: plan::Credential,
    pub declaration: Arc<Declaration>,
    pub lane: LaneId,
    pub access: Access,
    /// What it comes from that can change unnoticed.
    pub seen: Vec<Seen>,
}

/// Whether anything can be asked.
pub enum Access {
    Open(Target),
    /// There is no token yet: whoever wants to ask waits for it.
    Waiting,
    Refused(Failure),
}

/// What is sealed of a credential, opened.
pub struct Opened {
    /// With the newest refresh token that there is.
    pub properties: Properties,
    pub access_token: Option<Secret>,
    /// The refresh token that came with the last token.
    pub refresh_token: Option<Secret>,
    pub code: Option<Code>,
    pub base: Url,
    /// All of it that is secret.
    pub secrets: Mask,
}

impl CredentialContext {
    pub fn new(
        row: plan::Credential,
        declaration: &Arc<Declaration>,
        settings: &Settings,
        lane: LaneId,
    ) -> Self {
        let (declaration, access) = (declaration.clone(), Access::Waiting);
        let mut context = Self { row, declaration, lane, access, seen: Vec::new() };
        // Before anything is read: what changes meanwhile is noticed the next time.
        let mut origins: Vec<Origin> =
            context.references().map(|(_, reference)| Origin::Outside(reference)).collect();
        if unseal(&context.row).is_err() {
            origins.push(Origin::Key);
        }
        context.seen = origins.into_iter().map(Seen::now).collect();
        context.access = context.find_access(settings).unwrap_or_else(Access::Refused);
        context
    }

    /// Changes with all that its requests depend on, but for the token of the hour.
    pub fn version(&self) -> String {
        format!("{} {:?}", self.row.version, self.seen)
    }

    /// How its tokens are had, and how the last one is; `None` for a kind without.
    pub fn token(&self) -> Option<(&TokenSource, &plan::Token)> {
        self.kind()?.token.as_ref().zip(self.row.token.as_ref())
    }

    pub fn kind(&self) -> Option<&Authentication> {
        self.declaration.authentication(self.setting("kind")?)
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.row.settings.0.get(name)?.as_str()
    }

    fn find_access(&self, settings: &Settings) -> Result<Access, Failure> {
        let kind = self.kind().ok_or_else(|| {
            refused("the credential is of a kind that the provider no longer has".to_owned())
        })?;
        let mut opened = self.open()?;
        if kind.token.is_some() {
            let Some(token) = &self.row.token else {
                return Err(refused(
                    "the provider has been declared anew, with tokens: give the credential its properties again"
                        .to_owned(),
                ));
            };
            let now = Timestamp::from(SystemTime::now());
            let is_good = token.expires_at.is_none_or(|expires_at| expires_at > now);
            match opened.access_token.take().filter(|_| is_good) {
                Some(access_token) => opened.properties.insert(ACCESS_TOKEN.to_owned(), access_token),
                None => {
                    return match &token.failure {
                        None => Ok(Access::Waiting),
                        Some((class, error)) => {
                            let class = FailureClass::parse(class).unwrap_or(FailureClass::Unknown);
                            Err(Failure::new(class, error.clone()))
                        }
                    };
                }
            };
        }
        let headers = kind.headers(&opened.properties).map_err(|problem| unusable(&problem))?;
        let Opened { base, secrets, .. } = opened;
        Target::new(self.lane, base, settings.request_timeout, &self.declaration, headers, secrets)
            .map(Access::Open)
    }

    /// The secrets that are kept outside of the database.
    fn references(&self) -> impl Iterator<Item = (&str, Reference)> {
        let settings = self.row.settings.0.as_object().into_iter().flatten();
        settings.filter_map(|(name, value)| Some((name.as_str(), Reference::parse(value).ok()?)))
    }

    /// Opens what is sealed, and reads what is outside.
    pub fn open(&self) -> Result<Opened, Failure> {
        let row = &self.row;
        let (mut properties, app_secrets, mut tokens) = unseal(row).map_err(|problem| closed(&problem))?;
        for (name, reference) in self.references() {
            let secret = reference.read().map_err(|problem| refused(format!("{name:?}: {problem}")))?;
            properties.insert(name.to_owned(), secret);
        }
        let all = [&properties, &app_secrets, &tokens].into_iter().flatten();
        let secret = all.filter(|(name, _)| !BESIDE_TOKENS.contains(&name.as_str()));
        let secrets = Mask::new(secret.map(|(_, secret)| secret.clone()));
        if let Some(settings) = row.settings.0.as_object() {
            let texts =
                settings.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.into())));
            properties.extend(texts);
        }
        if let Some(kind) = self.kind() {
            properties = kind.with_defaults(properties);
        }
        if let Some(app) = &row.app {
            properties.insert("client_id".to_owned(), app.client_id.as_str().into());
            properties.extend(app_secrets);
        }
        let refresh_token = tokens.remove("refresh_token");
        if let Some(refresh_token) = &refresh_token {
            properties.insert("refresh_token".to_owned(), refresh_token.clone());
        }
        let code = match (tokens.remove("code"), tokens.remove("redirect_uri")) {
            (Some(code), Some(redirect_uri)) => {
                let redirect_uri = redirect_uri.as_str().to_owned();
                Some(Code { code, redirect_uri, verifier: tokens.remove("verifier") })
            }
            _ => None,
        };
        let of_token = tokens.remove("base_url");
        let base = self.setting("base_url").or(of_token.as_deref()).unwrap_or(&self.declaration.base_url);
        let base = base.parse().map_err(|_| refused(format!("its base_url {base:?} is no URL")))?;
        let access_token = tokens.remove(ACCESS_TOKEN);
        Ok(Opened { properties, access_token, refresh_token, code, base, secrets })
    }
}

/// The secrets of the credential, those of its application, and its tokens.
fn unseal(row: &plan::Credential) -> SqlResult<(Secrets, Secrets, Secrets)> {
    let secrets = secret::open(row.id.as_bytes(), &row.name, &row.sealed)?;
    let of_app = match &row.app {
        Some(app) => secret::open(app.id.as_bytes(), &row.name, &app.sealed)?,
        None => Secrets::new(),
    };
    let tokens = match row.token.as_ref().and_then(|token| token.sealed.as_ref()) {
        Some(sealed) => secret::open(row.id.as_bytes(), &row.name, sealed)?,
        None => Secrets::new(),
    };
    Ok((secrets, of_app, tokens))
}

fn refused(problem: String) -> Failure {
    Failure::new(FailureClass::Credential, problem)
}

pub fn unusable(problem: &Unusable) -> Failure {
    refused(problem.to_string())
}

fn closed(problem: &ErrorReport) -> Failure {
    refused(match problem.detail() {
        Some(detail) => format!("{}: {detail}", problem.message()),
        None => problem.message().to_owned(),
    })
}
