//! Credentials: what is secret is sealed before it reaches a table, and never stands in an error.

use super::{kind_of, names::new_name, object, providers, secret_object};
use crate::{
    error::{Result, error, invalid, required, unknown},
    pg::document::Document,
    secret::{Key, Secrets},
    settings,
    store::{self, credentials::Credential},
};
use pgrx::{JsonB, Uuid, prelude::*};
use sequin_domain::suggestion;
use sequin_provider::declaration::{Authentication, Declaration};
use serde_json::{Map, Value};

/// What is no secret and belongs to each kind of credential.
const COMMON_SETTINGS: [&str; 2] = ["kind", "base_url"];

#[pg_extern]
fn create_credential(
    name: Option<&str>,
    provider: Option<&str>,
    properties: Option<Document>,
    metadata: default!(Option<Document>, "'{}'"),
) -> Result<Uuid> {
    let name = new_name("credential", name)?;
    let declaration = providers::find(required("provider", provider)?)?;
    let (settings, secrets) = split(&declaration, secret_object("properties", properties)?)?;
    let metadata = object("metadata", metadata)?;
    store::credentials::lock_name(name)?;
    let id = match store::credentials::find(name)? {
        Some(old) if old.provider != declaration.provider => {
            return Err(error(
                PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT,
                format!("credential {name:?} exists already, for another provider"),
            )
            .set_detail(format!("It is one for {}, and its provider can't change.", old.provider))
            .set_hint("Choose another name."));
        }
        Some(old) => old.id,
        None => store::new_id(),
    };
    save(id, name, &declaration, settings, &secrets, metadata)?;
    Ok(id)
}

#[pg_extern]
fn update_credential(
    name: Option<&str>,
    properties: default!(Option<Document>, "NULL"),
    metadata: default!(Option<Document>, "NULL"),
) -> Result<()> {
    let name = required("name", name)?;
    let old = find(name)?;
    let declaration = providers::find(&old.provider)?;
    let given = properties
        .map(|properties| secret_object("properties", Some(properties)))
        .transpose()?
        .unwrap_or_default();
    let metadata = match metadata {
        Some(metadata) => object("metadata", Some(metadata))?,
        None => into_object(old.metadata),
    };
    let mut merged = into_object(old.settings);
    // Secrets that are all given anew need not be opened: that mends a lost key.
    let all_given = declaration
        .authentication
        .iter()
        .any(|kind| kind.secrets.iter().all(|secret| given.contains_key(secret)));
    if !all_given {
        if given.get("base_url").is_some_and(|new| Some(new) != merged.get("base_url")) {
            return Err(invalid("the base_url can't be changed without giving the secrets again")
                .set_detail("Otherwise who doesn't know them could have them sent to a server of their own.")
                .set_hint("Give the secrets of the credential together with its base_url."));
        }
        let secrets = Key::load()?.open(old.id.as_bytes(), name, &old.sealed)?;
        merged.extend(secrets.into_iter().map(|(name, secret)| (name, Value::String(secret))));
    }
    for (key, value) in given {
        if value.is_null() {
            merged.remove(&key);
        } else {
            merged.insert(key, value);
        }
    }
    let (settings, secrets) = split(&declaration, merged)?;
    save(old.id, name, &declaration, settings, &secrets, metadata)
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
    // The collections of all providers so far are declared, so there is nothing to ask the API for.
    find(required("credential", credential)?).map(drop)
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

fn save(
    id: Uuid,
    name: &str,
    declaration: &Declaration,
    settings: Map<String, Value>,
    secrets: &Secrets,
    metadata: Map<String, Value>,
) -> Result<()> {
    let key = if store::credentials::exist()? { Key::load() } else { Key::load_or_create() }?;
    let sealed = key.seal(id.as_bytes(), secrets)?;
    let credential = Credential {
        id,
        name: name.to_owned(),
        provider: declaration.provider.clone(),
        settings: JsonB(Value::Object(settings)),
        sealed,
        metadata: JsonB(Value::Object(metadata)),
    };
    store::credentials::upsert(credential, secrets.keys().cloned().collect())?;
    store::credentials::forget_failures(id)?;
    Ok(())
}

/// Checks properties against the declaration, and parts what is secret from what is not.
fn split(declaration: &Declaration, properties: Map<String, Value>) -> Result<(Map<String, Value>, Secrets)> {
    let kind = authentication(declaration, properties.get("kind"))?;
    let mut settings = Map::from_iter([("kind".to_owned(), Value::String(kind.kind.clone()))]);
    let mut secrets = Secrets::new();
    for (name, value) in properties {
        let is_secret = kind.secrets.contains(&name);
        if !is_secret && !COMMON_SETTINGS.contains(&name.as_str()) {
            return Err(unknown_property(kind, &name));
        }
        let Value::String(text) = value else {
            return Err(invalid(format!("property {name:?} of the credential must be a string"))
                .set_detail(format!("It is {}.", kind_of(&value)))
                .set_hint(format!("Give {name:?} as a JSON string.")));
        };
        if is_secret {
            secrets.insert(name, text);
        } else if name == "base_url" {
            settings.insert(name, Value::String(check_base_url(&text)?));
        }
    }
    kind.headers(&secrets).map_err(|problem| {
        invalid(format!("the credential can't be used: {problem}"))
            .set_detail(format!("It is one of kind {:?} for {}.", kind.kind, declaration.title))
            .set_hint(format!(
                "Such a credential has the kind {:?} and needs {}.",
                kind.kind,
                kind.secrets.join(", ")
            ))
    })?;
    Ok((settings, secrets))
}

fn authentication<'a>(declaration: &'a Declaration, kind: Option<&Value>) -> Result<&'a Authentication> {
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
    let known = || kind.secrets.iter().map(String::as_str).chain(COMMON_SETTINGS);
    let hint = match suggestion::nearest(name, known()).first() {
        Some(near) => format!("Did you mean {near:?}?"),
        None => format!("It knows: {}.", known().collect::<Vec<_>>().join(", ")),
    };
    // Only the name is shown, and not at length: somebody may have mixed up name and value.
    let shown: String = name.chars().take(30).collect();
    invalid(format!("a credential of kind {:?} has no property {shown:?}", kind.kind))
        .set_detail(format!("The property {shown:?} is not known."))
        .set_hint(hint)
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

fn into_object(value: JsonB) -> Map<String, Value> {
    match value.0 {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
