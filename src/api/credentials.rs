//! Credentials: what is secret is sealed before it reaches a table, and never stands in an error.

use super::{into_object, kind_of, names::new_name, object, providers, secret_object};
use crate::{
    error::{Result, error, invalid, required, unknown},
    pg::{document::Document, role, setting, shared, transaction},
    secret::{self, Reference, Sealed, Secrets},
    settings,
    store::{self, credentials::Credential},
};
use pgrx::{JsonB, Uuid, prelude::*};
use sequin_domain::{secret::Secret, suggestion};
use sequin_provider::{
    authentication::{Properties, Unusable},
    declaration::{Authentication, Declaration},
};
use serde_json::{Map, Value};

/// What is no secret and belongs to each kind of credential.
const COMMON_SETTINGS: [&str; 2] = ["kind", "base_url"];
/// The application that a credential was made with, which has the properties of these names.
const APP: &str = "oauth_app";
const OF_APP: [&str; 2] = ["client_id", "client_secret"];
/// The property that a token brings a newer one of.
const REFRESH_TOKEN: &str = "refresh_token";

/// What a credential is made of.
pub(super) struct Parts {
    pub kind: String,
    pub settings: Map<String, Value>,
    pub secrets: Secrets,
    /// Whether it gets tokens.
    pub has_tokens: bool,
}

#[pg_extern]
fn create_credential(
    name: Option<&str>,
    provider: Option<&str>,
    properties: Option<Document>,
    metadata: default!(Option<Document>, "'{}'"),
) -> Result<Uuid> {
    confidential(|is_superuser| {
        let name = new_name("credential", name)?;
        store::providers::hold()?;
        let declaration = providers::find(required("provider", provider)?)?;
        let properties = secret_object("properties", properties)?;
        check_references(&properties, is_superuser)?;
        let parts = split(&declaration, properties, false)?;
        let metadata = object("metadata", metadata)?;
        let id = claim(name, &declaration)?;
        save(id, name, &declaration, &parts, metadata)?;
        start_tokens(id, &parts, None)?;
        Ok(id)
    })
}

/// Runs `body` with the rights of the owner, and keeps the statement that called it, which holds a secret, out of the log if
/// it fails. `body` is told whether the caller is a superuser: a SECURITY DEFINER function could not know.
fn confidential<T>(body: impl FnOnce(bool) -> Result<T>) -> Result<T> {
    let is_superuser = role::is_superuser();
    setting::unlogged(|| role::as_owner(|| body(is_superuser)))
}

/// Has other transactions wait that use the name, or give up a key. The name comes first: somebody may use it and rotate
/// the key in one transaction, and whoever waits for the name may not keep them from it.
pub(super) fn lock(name: &str) -> Result<()> {
    store::credentials::lock_name(name)?;
    store::keys::share()
}

/// The server reads what is outside of the database with rights that the caller has not.
fn check_references(properties: &Map<String, Value>, is_superuser: bool) -> Result<()> {
    match properties.iter().find(|(_, value)| value.is_object()) {
        Some((name, _)) if !is_superuser => Err(error(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("only a superuser may keep the property {:?} outside of the database", shown(name)),
        )
        .set_detail(
            "The server would read a file, or its environment, and send what is there to the base_url.",
        )
        .set_hint("Give the secret itself as a JSON string, or have a superuser make the credential.")),
        _ => Ok(()),
    }
}

/// The id of the credential of this name, or of one that is to be made.
pub(super) fn claim(name: &str, declaration: &Declaration) -> Result<Uuid> {
    lock(name)?;
    match store::credentials::find(name)? {
        Some(old) if old.provider != declaration.provider => Err(error(
            PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
            format!("credential {name:?} exists already, for another provider"),
        )
        .set_detail(format!("It is one for {}, and its provider can't change.", old.provider))
        .set_hint("Choose another name.")),
        Some(old) => Ok(old.id),
        None => Ok(store::new_id()),
    }
}

/// Has the worker get a token; those that there were are worth nothing.
pub(super) fn start_tokens(id: Uuid, parts: &Parts, code: Option<Sealed>) -> Result<()> {
    if parts.has_tokens { store::tokens::reset(id, code) } else { store::tokens::forget(id) }
}

#[pg_extern]
fn update_credential(
    name: Option<&str>,
    properties: default!(Option<Document>, "NULL"),
    metadata: default!(Option<Document>, "NULL"),
) -> Result<()> {
    confidential(|is_superuser| update(name, properties, metadata, is_superuser))
}

fn update(
    name: Option<&str>,
    properties: Option<Document>,
    metadata: Option<Document>,
    is_superuser: bool,
) -> Result<()> {
    let name = required("name", name)?;
    store::providers::hold()?;
    lock(name)?;
    let old = find(name)?;
    let declaration = providers::find(&old.provider)?;
    let given = properties
        .map(|properties| secret_object("properties", Some(properties)))
        .transpose()?
        .unwrap_or_default();
    check_references(&given, is_superuser)?;
    let metadata = match metadata {
        Some(metadata) => object("metadata", Some(metadata))?,
        None => into_object(old.metadata),
    };
    let mut merged = into_object(old.settings);
    // Secrets that are all given anew need not be opened: that mends a lost key.
    let kind = given.get("kind").or(merged.get("kind")).and_then(Value::as_str);
    let all_given = kind
        .and_then(|kind| declaration.authentication(kind))
        .is_some_and(|kind| kind.secrets.iter().all(|secret| given.contains_key(secret)));
    if all_given {
        // What is outside is a secret like those that are sealed: none is left.
        merged.retain(|_, value| !value.is_object());
    } else {
        // A setting can say where the secrets go, and so can a kind.
        let moved = given.iter().find(|(name, new)| {
            is_setting(&declaration, name) && merged.get(*name).unwrap_or(&Value::Null) != *new
        });
        if let Some((name, _)) = moved {
            return Err(invalid(format!("the {name} can't be changed without giving the secrets again"))
                .set_detail("Otherwise who doesn't know them could have them sent to a server of their own.")
                .set_hint(format!("Give the secrets of the credential together with its {name}.")));
        }
        let secrets = secret::open(old.id.as_bytes(), name, &old.sealed)?;
        merged.extend(
            secrets.into_iter().map(|(name, secret)| (name, Value::String(secret.as_str().to_owned()))),
        );
    }
    let is_moved = all_given || given.contains_key(REFRESH_TOKEN);
    let is_changed = !given.is_empty();
    for (key, value) in given {
        if value.is_null() {
            merged.remove(&key);
        } else {
            merged.insert(key, value);
        }
    }
    let parts = split(&declaration, merged, store::tokens::is_sealed(old.id)?)?;
    save(old.id, name, &declaration, &parts, metadata)?;
    if is_moved || !parts.has_tokens {
        start_tokens(old.id, &parts, None)
    } else if is_changed {
        store::tokens::renew(old.id)
    } else {
        Ok(())
    }
}

#[pg_extern]
fn delete_credential(name: Option<&str>) -> Result<()> {
    let name = required("name", name)?;
    let credential = find(name)?;
    if let Some(syncs) = store::credentials::syncs(credential.id)? {
        return Err(error(
            PgSqlErrorCode::ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST,
            format!("credential {name:?} is in use"),
        )
        .set_detail(format!("These syncs use it: {syncs}."))
        .set_hint("Delete them first with sequin.delete_sync."));
    }
    store::credentials::delete(credential.id)
}

#[pg_extern]
fn refresh_collections(credential: Option<&str>) -> Result<()> {
    let credential = find(required("credential", credential)?)?;
    store::discovered::forget(credential.id, None)?;
    if providers::find(&credential.provider)?.discover.is_some() {
        store::kinds::want(credential.id)?;
    }
    transaction::on_commit(shared::wake_workers);
    Ok(())
}

/// The credential called `name`.
pub(super) fn find(name: &str) -> Result<Credential> {
    match store::credentials::find(name)? {
        Some(credential) => Ok(credential),
        None => {
            let names = store::credentials::names()?;
            let otherwise = "Create it with sequin.create_credential; SELECT name FROM sequin.credentials lists those there are.";
            Err(unknown("credential", name, names.iter().map(String::as_str), otherwise))
        }
    }
}

pub(super) fn save(
    id: Uuid,
    name: &str,
    declaration: &Declaration,
    parts: &Parts,
    metadata: Map<String, Value>,
) -> Result<()> {
    let sealed = seal(id, &parts.secrets)?;
    let credential = Credential {
        id,
        name: name.to_owned(),
        provider: declaration.provider.clone(),
        settings: JsonB(Value::Object(parts.settings.clone())),
        sealed,
        metadata: JsonB(Value::Object(metadata)),
    };
    let base_url = |settings: &Map<String, Value>| settings.get("base_url").cloned();
    let is_moved = store::credentials::find(name)?
        .is_some_and(|old| base_url(&into_object(old.settings)) != base_url(&parts.settings));
    store::credentials::upsert(credential, parts.secrets.keys().cloned().collect())?;
    store::credentials::forget_failures(id)?;
    if declaration.discover.is_some() {
        store::kinds::want(id)?;
    }
    if is_moved {
        // A page's place in one server's list says nothing of another's.
        let syncs = store::credentials::sync_ids(id)?;
        transaction::giving_way(|| {
            syncs.iter().try_for_each(|sync_id| store::backfills::restart(*sync_id, None, false))
        })?;
    }
    Ok(())
}

/// Seals what belongs to `id`; the key is made where nothing is sealed yet.
pub(super) fn seal(id: Uuid, secrets: &Secrets) -> Result<Sealed> {
    if !store::credentials::exist()? {
        secret::create_key_if_missing()?;
    }
    secret::seal(id.as_bytes(), secrets)
}

/// Checks properties against the declaration, and parts what is secret from what is not. `is_authorized`: it has a token,
/// or the code for one, so that it needs no refresh token.
pub(super) fn split(
    declaration: &Declaration,
    properties: Map<String, Value>,
    is_authorized: bool,
) -> Result<Parts> {
    let kind = authentication(declaration, properties.get("kind"))?;
    let mut settings = Map::from_iter([("kind".to_owned(), Value::String(kind.kind.clone()))]);
    let mut secrets = Secrets::new();
    for (name, value) in properties {
        let is_secret = kind.secrets.contains(&name);
        if !is_secret && !has_setting(kind, &name) {
            return Err(unknown_property(kind, &name));
        }
        let text = match value {
            Value::String(text) => text,
            Value::Object(_) if is_secret => {
                settings.insert(name, value);
                continue;
            }
            _ => {
                return Err(invalid(format!("property {name:?} of the credential must be a string"))
                    .set_detail(format!("It is {}.", kind_of(&value)))
                    .set_hint(format!("Give {name:?} as a JSON string.")));
            }
        };
        if is_secret {
            secrets.insert(name, text.into());
        } else if name == "base_url" {
            settings.insert(name, Value::String(check_base_url(&text)?));
        } else if name != "kind" {
            settings.insert(name, Value::String(text));
        }
    }
    if declaration.needs_base_url && !settings.contains_key("base_url") {
        return Err(invalid("the credential needs a base_url")
            .set_detail(format!("{} has a host for each of its customers.", declaration.title))
            .set_hint(format!(
                "Give the base_url among the properties, such as {:?}.",
                declaration.base_url
            )));
    }
    let parts = Parts { kind: kind.kind.clone(), settings, secrets, has_tokens: kind.token.is_some() };
    let properties = complete(declaration, kind, &parts)?;
    let unusable = |problem: Unusable| {
        let needed = kind.settings.iter().filter(|(_, default)| default.is_none()).map(|(name, _)| name);
        let needed: Vec<&str> = kind.secrets.iter().chain(needed).map(String::as_str).collect();
        invalid(format!("the credential can't be used: {problem}"))
            .set_detail(format!("It is one of kind {:?} for {}.", kind.kind, declaration.title))
            .set_hint(format!(
                "Such a credential has the kind {:?} and needs {}.",
                kind.kind,
                needed.join(", ")
            ))
    };
    kind.accept(&properties, is_authorized).map_err(unusable)?;
    if let Some(token) = &kind.token {
        let base = parts.base_url(declaration)?;
        check_address(&token.address(&base, &properties).map_err(unusable)?)?;
    }
    Ok(parts)
}

impl Parts {
    /// Where the API is.
    pub fn base_url(&self, declaration: &Declaration) -> Result<url::Url> {
        let base = self.settings.get("base_url").and_then(Value::as_str).unwrap_or(&declaration.base_url);
        base.parse().map_err(|_| invalid(format!("the base_url {base:?} is no URL")))
    }
}

/// The properties with those of the application and with defaults.
fn complete(declaration: &Declaration, kind: &Authentication, parts: &Parts) -> Result<Properties> {
    let mut properties = parts.secrets.clone();
    for (name, value) in &parts.settings {
        let text = match value.as_str() {
            Some(text) => text.into(),
            None => read_outside(name, value)?,
        };
        properties.insert(name.clone(), text);
    }
    if let Some(name) = parts.settings.get(APP).and_then(Value::as_str) {
        if let Some(own) = OF_APP.iter().find(|own| properties.contains_key(**own)) {
            return Err(invalid(format!("the credential can't have both an {APP} and a {own}"))
                .set_detail(format!("The application {name:?} has a {own} of its own."))
                .set_hint(format!("Leave out {own}, or {APP}.")));
        }
        let app = super::oauth::find_app(name)?;
        if app.provider != declaration.provider {
            return Err(invalid(format!("the application {name:?} is one for another provider"))
                .set_detail(format!(
                    "It is for {}, and the credential for {}.",
                    app.provider, declaration.provider
                ))
                .set_hint("SELECT name, provider FROM sequin.oauth_apps lists those there are."));
        }
        let secrets = secret::open(app.id.as_bytes(), name, &app.sealed)?;
        properties.extend(secrets);
        properties.insert("client_id".to_owned(), app.client_id.into());
    }
    Ok(kind.with_defaults(properties))
}

/// A secret that is kept outside of the database.
fn read_outside(name: &str, value: &Value) -> Result<Secret> {
    let reference = Reference::parse(value).map_err(|problem| {
        invalid(format!("property {name:?} of the credential can't be used: {problem}"))
            .set_detail("It is an object, which says where the secret is kept.")
            .set_hint(r#"Write it like {"file": "/run/secrets/stripe"} or {"env": "STRIPE_KEY"}."#)
    })?;
    reference.read().map_err(|problem| {
        invalid(format!("property {name:?} of the credential can't be read: {problem}"))
            .set_detail("The secret is kept outside of the database.")
            .set_hint("Mend it, or give another one with sequin.update_credential.")
    })
}

/// Whether credentials of the kind can have a setting of this name.
fn has_setting(kind: &Authentication, name: &str) -> bool {
    COMMON_SETTINGS.contains(&name)
        || kind.settings.contains_key(name)
        || (name == APP && kind.token.is_some())
}

/// Refuses what can't be a setting of a credential.
pub(super) fn check_setting(kind: &Authentication, name: &str) -> Result<()> {
    if kind.secrets.iter().any(|secret| secret == name) {
        return Err(invalid(format!("property {name:?} is a secret, and has no place here"))
            .set_detail("What is given here is kept as it is.")
            .set_hint("Give the client's secret to sequin.create_oauth_app; the others come with the authorization."));
    }
    if has_setting(kind, name) { Ok(()) } else { Err(unknown_property(kind, name)) }
}

fn is_setting(declaration: &Declaration, name: &str) -> bool {
    declaration.authentication.iter().any(|kind| has_setting(kind, name))
}

pub(super) fn authentication<'a>(
    declaration: &'a Declaration,
    kind: Option<&Value>,
) -> Result<&'a Authentication> {
    let kinds =
        || declaration.authentication.iter().map(|kind| kind.kind.as_str()).collect::<Vec<_>>().join(", ");
    match kind {
        None => Ok(&declaration.authentication[0]),
        Some(Value::String(kind)) => declaration.authentication(kind).ok_or_else(|| {
            invalid(format!("{} has no credentials of kind {kind:?}", declaration.title))
                .set_detail(format!("The value of \"kind\" is {kind:?}."))
                .set_hint(format!("Use one of: {}.", kinds()))
        }),
        Some(other) => Err(invalid("property \"kind\" of the credential must be a string")
            .set_detail(format!("It is {}.", kind_of(other)))
            .set_hint(format!("Use one of: {}.", kinds()))),
    }
}

fn unknown_property(kind: &Authentication, name: &str) -> pgrx::pg_sys::panic::ErrorReport {
    let settings = || kind.settings.keys().map(String::as_str).chain(kind.token.as_ref().map(|_| APP));
    let known = || kind.secrets.iter().map(String::as_str).chain(settings()).chain(COMMON_SETTINGS);
    let hint = match suggestion::nearest(name, known()).first() {
        Some(near) => format!("Did you mean {near:?}?"),
        None => format!("It knows: {}.", known().collect::<Vec<_>>().join(", ")),
    };
    let shown = shown(name);
    invalid(format!("a credential of kind {:?} has no property {shown:?}", kind.kind))
        .set_detail(format!("The property {shown:?} is not known."))
        .set_hint(hint)
}

/// A name, and not at length: somebody may have mixed up name and value.
fn shown(name: &str) -> String {
    name.chars().take(30).collect()
}

fn check_base_url(text: &str) -> Result<String> {
    let refuse = |problem: &str, hint: &str| {
        Err(invalid(format!("the base_url can't be used: {problem}"))
            .set_detail(format!("It is {:?}.", text.chars().take(200).collect::<String>()))
            .set_hint(hint))
    };
    let Ok(url) = url::Url::parse(text) else {
        return refuse("it is no URL", "Write it like https://api.example.com.");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("the base_url can't be used: it has a user or a password in it")
            .set_detail("What is secret must not stand in a URL.")
            .set_hint("Give secrets as properties of their own."));
    }
    if url.host().is_none() || url.query().is_some() || url.fragment().is_some() {
        return refuse("it must be a host, and at most a path", "Write it like https://api.example.com.");
    }
    if let Err(problem) = sequin_net::check_url(&url, settings::allow_private_networks()) {
        return refuse(
            &problem.to_string(),
            "Use an https:// URL of a public host, or turn on the setting sequin.allow_private_networks.",
        );
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Refuses a URL that secrets must not be sent to.
pub(super) fn check_address(url: &url::Url) -> Result<()> {
    sequin_net::check_url(url, settings::allow_private_networks()).map_err(|problem| {
        invalid(format!("the credential can't be used: {problem}"))
            .set_detail(format!("It leads to {}.", url.origin().ascii_serialization()))
            .set_hint(
                "Use an https:// URL of a public host, or turn on the setting sequin.allow_private_networks.",
            )
    })
}
