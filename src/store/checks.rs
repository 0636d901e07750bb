//! Checks of credentials that sessions wait for.

use super::{Result, column, execute, plan::to_postgres, rows, statement};
use pgrx::Uuid;
use sequin_domain::{failure::Failure, timestamp::Timestamp};
use sequin_provider::probe::Identity;
use std::collections::BTreeSet;

/// The credentials that somebody wants to be checked.
pub fn wanted() -> Result<BTreeSet<Uuid>> {
    let wanted = rows(statement!("checks/wanted"), &[], |row| column(row, 1))?;
    Ok(wanted.into_iter().collect())
}

/// Writes down how a check has ended. `is_accepted`: the API knows the credential, whatever else it said.
pub fn keep(
    credential_id: Uuid,
    checked_at: Timestamp,
    is_accepted: bool,
    identity: Identity,
    failure: Option<&Failure>,
) -> Result<()> {
    let arguments = [
        credential_id.into(),
        to_postgres(checked_at).into(),
        is_accepted.into(),
        failure.map(|failure| failure.class.as_str()).into(),
        failure.map(|failure| failure.message.as_str()).into(),
        identity.account.into(),
        identity.scopes.into(),
    ];
    execute(statement!("checks/keep"), &arguments).map(drop)
}
