//! Applications of the user's own, and authorizations under way.

use super::{Result, column, execute, first, one, rows, statement};
use crate::secret::Sealed;
use pgrx::{JsonB, Uuid};

pub struct App {
    pub id: Uuid,
    pub name: String,
    pub provider: String,
    pub client_id: String,
    pub settings: JsonB,
    pub sealed: Sealed,
}

/// An authorization that has been begun.
pub struct Flow {
    pub id: Uuid,
    pub app: String,
    pub provider: String,
    pub redirect_uri: String,
    pub settings: JsonB,
    pub sealed: Sealed,
}

/// Makes the transaction the only one that creates an application of this name.
pub fn lock_app(name: &str) -> Result<()> {
    execute(statement!("oauth/lock_app"), &[name.into()]).map(drop)
}

/// Waits for whoever creates or changes the application of this name, and keeps it from others until the transaction ends.
pub fn hold_app(name: &str) -> Result<()> {
    execute(statement!("oauth/hold_app"), &[name.into()]).map(drop)
}

/// The application, which stays as it is until the transaction ends.
pub fn find_app(name: &str) -> Result<Option<App>> {
    one(statement!("oauth/find_app"), &[name.into()], |row| {
        Ok(App {
            id: first(row, 1)?,
            name: first(row, 2)?,
            provider: first(row, 3)?,
            client_id: first(row, 4)?,
            settings: first(row, 5)?,
            sealed: Sealed { bytes: first(row, 6)?, key_id: first(row, 7)? },
        })
    })
}

pub fn app_names() -> Result<Vec<String>> {
    rows(statement!("oauth/app_names"), &[], |row| column(row, 1))
}

/// Inserts the application, or replaces the one with this id.
pub fn upsert_app(app: App) -> Result<()> {
    let App { id, name, provider, client_id, settings, sealed } = app;
    let arguments = [
        id.into(),
        name.into(),
        provider.into(),
        client_id.into(),
        settings.into(),
        sealed.bytes.into(),
        sealed.key_id.into(),
    ];
    execute(statement!("oauth/upsert_app"), &arguments).map(drop)
}

/// The names of the credentials that were made with it; `None` where there are none.
pub fn app_credentials(name: &str) -> Result<Option<String>> {
    one(statement!("oauth/app_credentials"), &[name.into()], |row| row.get(1)).map(Option::flatten)
}

pub fn delete_app(id: Uuid) -> Result<()> {
    execute(statement!("oauth/delete_app"), &[id.into()]).map(drop)
}

pub fn begin_flow(app_id: Uuid, state_hash: Vec<u8>, flow: Flow) -> Result<()> {
    let Flow { id, redirect_uri, settings, sealed, .. } = flow;
    let arguments = [
        id.into(),
        app_id.into(),
        state_hash.into(),
        redirect_uri.into(),
        settings.into(),
        sealed.bytes.into(),
        sealed.key_id.into(),
    ];
    execute(statement!("oauth/begin_flow"), &arguments).map(drop)
}

/// The authorization with this state, which nobody can take again; `None` where there is none.
pub fn take_flow(state_hash: Vec<u8>) -> Result<Option<Flow>> {
    one(statement!("oauth/take_flow"), &[state_hash.into()], |row| {
        Ok(Flow {
            id: first(row, 1)?,
            app: first(row, 2)?,
            provider: first(row, 3)?,
            redirect_uri: first(row, 4)?,
            settings: first(row, 5)?,
            sealed: Sealed { bytes: first(row, 6)?, key_id: first(row, 7)? },
        })
    })
}
