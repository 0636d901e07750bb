//! OAuth for an application of the user's own: others let it into their accounts, and credentials come of it.

use super::{credentials, into_object, kind_of, names::new_name, object, providers};
use crate::{
    error::{Result, error, invalid, required, unknown},
    pg::document::Document,
    secret::{self, Secrets},
    settings,
    store::{
        self,
        oauth::{App, Flow},
    },
};
use pgrx::{JsonB, Uuid, pg_sys::panic::ErrorReport, prelude::*};
use sequin_provider::{
    authentication::Properties,
    authorization::nonce,
    declaration::{Authentication, Authorize, Declaration},
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

/// The most that a user's own state can have, in bytes.
const LONGEST_STATE: usize = 5 * 1024;
/// A code is opaque, and this is far more than any has, in bytes.
const LONGEST_CODE: usize = 8 * 1024;

#[pg_extern]
fn create_oauth_app(
    name: Option<&str>,
    provider: Option<&str>,
    client_id: Option<&str>,
    client_secret: default!(Option<&str>, "NULL"),
    settings: default!(Option<Document>, "'{}'"),
) -> Result<Uuid> {
    let name = new_name("application", name)?;
    store::providers::hold()?;
    let declaration = providers::find(required("provider", provider)?)?;
    let client_id = required("client_id", client_id)?;
    let settings = object("settings", settings)?;
    authorizing(&declaration, &settings)?;
    if client_id.is_empty() {
        return Err(invalid("client_id can't be empty")
            .set_detail("The argument client_id is an empty text.")
            .set_hint("Give the id that the provider knows the application by."));
    }
    store::oauth::lock_app(name)?;
    store::keys::share()?;
    let id = match store::oauth::find_app(name)? {
        Some(old) if old.provider != declaration.provider => {
            return Err(error(
                PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
                format!("application {name:?} exists already, for another provider"),
            )
            .set_detail(format!("It is one for {}, and its provider can't change.", old.provider))
            .set_hint("Choose another name."));
        }
        Some(old) => old.id,
        None => store::new_id(),
    };
    let secrets: Secrets =
        client_secret.map(|secret| ("client_secret".to_owned(), secret.into())).into_iter().collect();
    store::oauth::upsert_app(App {
        id,
        name: name.to_owned(),
        provider: declaration.provider.clone(),
        client_id: client_id.to_owned(),
        settings: JsonB(Value::Object(settings)),
        sealed: credentials::seal(id, &secrets)?,
    })?;
    Ok(id)
}

#[pg_extern]
fn delete_oauth_app(name: Option<&str>) -> Result<()> {
    let name = required("name", name)?;
    let app = find_app(name)?;
    if let Some(users) = store::oauth::app_credentials(name)? {
        return Err(error(
            PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
            format!("application {name:?} is in use"),
        )
        .set_detail(format!("These credentials were made with it: {users}."))
        .set_hint("Delete them first with sequin.delete_credential."));
    }
    store::oauth::delete_app(app.id)
}

#[pg_extern]
fn start_oauth(
    app: Option<&str>,
    redirect_uri: Option<&str>,
    scopes: default!(Option<Vec<Option<String>>>, "'{}'"),
    state: default!(Option<&str>, "NULL"),
    properties: default!(Option<Document>, "'{}'"),
) -> Result<String> {
    let app = required("app", app)?;
    store::oauth::hold_app(app)?;
    store::keys::share()?;
    let app = find_app(app)?;
    let redirect_uri = check_redirect(required("redirect_uri", redirect_uri)?)?;
    let scopes = check_scopes(required("scopes", scopes)?)?;
    let state = check_state(state.unwrap_or_default())?;
    let declaration = providers::find(&app.provider)?;
    let mut settings = into_object(app.settings);
    settings.extend(object("properties", properties)?);
    let (kind, authorize) = authorizing(&declaration, &settings)?;
    settings.insert("kind".to_owned(), Value::String(kind.kind.clone()));
    settings.insert("oauth_app".to_owned(), Value::String(app.name.clone()));
    let parts = credentials::split(&declaration, settings, true)?;
    let (ours, verifier) = (nonce(&secret::random()), nonce(&secret::random()));
    let mut known = kind.with_defaults(texts(&parts.settings));
    known.insert("client_id".to_owned(), app.client_id.into());
    let base = parts.base_url(&declaration)?;
    let url = authorize.url(&base, &known, redirect_uri, &scopes, &ours, &verifier).map_err(|problem| {
        invalid(format!("the authorization can't begin: {problem}"))
            .set_detail(format!("It would be one of kind {:?} for {}.", parts.kind, declaration.title))
            .set_hint("Give what is missing in properties.")
    })?;
    credentials::check_address(&url)?;
    let mut kept = Secrets::from([("state".to_owned(), state.into())]);
    if authorize.pkce {
        kept.insert("verifier".to_owned(), verifier.into());
    }
    let id = store::new_id();
    let flow = Flow {
        id,
        app: app.name,
        provider: app.provider,
        redirect_uri: redirect_uri.to_owned(),
        settings: JsonB(Value::Object(parts.settings)),
        sealed: credentials::seal(id, &kept)?,
    };
    store::oauth::begin_flow(app.id, hash(&ours), flow)?;
    Ok(url.into())
}

#[allow(clippy::type_complexity, reason = "the columns of the function")]
#[pg_extern]
fn finish_oauth(
    code: Option<&str>,
    state: Option<&str>,
    credential: default!(Option<&str>, "NULL"),
    metadata: default!(Option<Document>, "'{}'"),
) -> Result<TableIterator<'static, (name!(id, Uuid), name!(name, String), name!(own_state, Option<String>))>>
{
    let (code, state) = (required("code", code)?, required("state", state)?);
    if code.is_empty() || code.len() > LONGEST_CODE {
        return Err(invalid("the code can't be used")
            .set_detail(format!("It has {} bytes.", code.len()))
            .set_hint("Give the parameter code with which the provider has sent the user back."));
    }
    let name = credential.map(|name| new_name("credential", Some(name))).transpose()?;
    let metadata = object("metadata", metadata)?;
    store::providers::hold()?;
    match name {
        Some(name) => credentials::lock(name)?,
        None => store::keys::share()?,
    }
    let flow = store::oauth::take_flow(hash(state))?.ok_or_else(no_such_state)?;
    let declaration = providers::find(&flow.provider)?;
    let parts = credentials::split(&declaration, into_object(flow.settings), true)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => format!("{}-{}", flow.app.chars().take(160).collect::<String>(), flow.id),
    };
    let id = credentials::claim(&name, &declaration)?;
    credentials::save(id, &name, &declaration, &parts, metadata)?;
    let mut kept = secret::open(flow.id.as_bytes(), &name, &flow.sealed)?;
    let own_state = kept.remove("state").filter(|state| !state.is_empty());
    let own_state = own_state.map(|state| state.as_str().to_owned());
    let mut first = Secrets::from([
        ("code".to_owned(), code.into()),
        ("redirect_uri".to_owned(), flow.redirect_uri.into()),
    ]);
    first.extend(kept);
    credentials::start_tokens(id, &parts, Some(credentials::seal(id, &first)?))?;
    Ok(TableIterator::once((id, name, own_state)))
}

/// The application called `name`.
pub(super) fn find_app(name: &str) -> Result<App> {
    match store::oauth::find_app(name)? {
        Some(app) => Ok(app),
        None => {
            let names = store::oauth::app_names()?;
            let otherwise = "Create it with sequin.create_oauth_app; SELECT name FROM sequin.oauth_apps lists those there are.";
            Err(unknown("application", name, names.iter().map(String::as_str), otherwise))
        }
    }
}

/// The kind of credential that `settings` are for, and where it is authorized.
fn authorizing<'a>(
    declaration: &'a Declaration,
    settings: &Map<String, Value>,
) -> Result<(&'a Authentication, &'a Authorize)> {
    let kind = match settings.get("kind") {
        Some(kind) => Some(credentials::authentication(declaration, Some(kind))?),
        None => declaration.authentication.iter().find(|kind| authorization(kind).is_some()),
    };
    let (kind, authorize) = kind
        .and_then(|kind| Some((kind, authorization(kind)?)))
        .ok_or_else(|| no_authorization(declaration, kind))?;
    for (name, value) in settings {
        credentials::check_setting(kind, name)?;
        if !value.is_string() {
            return Err(invalid(format!("property {name:?} must be a string"))
                .set_detail(format!("It is {}.", kind_of(value)))
                .set_hint(format!("Give {name:?} as a JSON string.")));
        }
    }
    Ok((kind, authorize))
}

fn authorization(kind: &Authentication) -> Option<&Authorize> {
    kind.token.as_ref()?.authorize.as_ref()
}

fn no_authorization(declaration: &Declaration, kind: Option<&Authentication>) -> ErrorReport {
    let kinds = declaration.authentication.iter().filter(|kind| authorization(kind).is_some());
    let kinds: Vec<&str> = kinds.map(|kind| kind.kind.as_str()).collect();
    error(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!("{} lets no application in by OAuth", declaration.title),
    )
    .set_detail(match kind {
        Some(kind) => format!("It has no authorization for credentials of kind {:?}.", kind.kind),
        None => "None of its kinds of credentials has an authorization.".to_owned(),
    })
    .set_hint(match kinds.as_slice() {
        [] => "Make a credential with sequin.create_credential.".to_owned(),
        kinds => format!("Use one of the kinds: {}.", kinds.join(", ")),
    })
}

/// Settings, all of which are texts.
fn texts(settings: &Map<String, Value>) -> Properties {
    settings.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.into()))).collect()
}

fn check_redirect(text: &str) -> Result<&str> {
    let is_local =
        |url: &Url| url.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
    let problem = match Url::parse(text) {
        Err(_) => "it is no URL",
        Ok(url) if url.fragment().is_some() => "it must not have a fragment",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "it must not have a user or a password in it"
        }
        Ok(url) if url.scheme() == "http" && !is_local(&url) && !settings::allow_private_networks() => {
            "a code that comes over plain HTTP can be read on its way"
        }
        Ok(_) => return Ok(text),
    };
    Err(invalid(format!("the redirect_uri can't be used: {problem}"))
        .set_detail(format!("It is {:?}.", text.chars().take(200).collect::<String>()))
        .set_hint("Give the https:// URL of your application that the provider knows, letter by letter."))
}

fn check_scopes(scopes: Vec<Option<String>>) -> Result<Vec<String>> {
    let scopes: Option<Vec<String>> = scopes.into_iter().collect();
    let scopes = scopes.ok_or_else(|| {
        invalid("scopes can't have a null in them")
            .set_detail("One of the elements is null.")
            .set_hint("Leave it out.")
    })?;
    match scopes
        .iter()
        .find(|scope| scope.is_empty() || scope.chars().any(|c| c.is_whitespace() || c.is_control()))
    {
        None => Ok(scopes),
        Some(scope) => Err(invalid("a scope can't be empty or have white space in it")
            .set_detail(format!("One is {:?}.", scope.chars().take(100).collect::<String>()))
            .set_hint("Give each scope as an element of its own.")),
    }
}

fn check_state(state: &str) -> Result<&str> {
    if state.len() <= LONGEST_STATE {
        return Ok(state);
    }
    Err(invalid("the state is too long")
        .set_detail(format!("It has {} bytes, and at most {LONGEST_STATE} can be kept.", state.len()))
        .set_hint("Keep what is longer in a table of yours, and give its key."))
}

fn no_such_state() -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, "there is no authorization with this state")
        .set_detail("It was never begun, is finished already, or was begun more than 5 minutes ago.")
        .set_hint("Begin again with sequin.start_oauth.")
}

fn hash(state: &str) -> Vec<u8> {
    Sha256::digest(state).to_vec()
}
