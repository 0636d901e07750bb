//! The access tokens of credentials, sealed as their secrets are.

use super::{Result, execute, first, one, plan::to_postgres, statement};
use crate::secret::Sealed;
use pgrx::Uuid;
use sequin_domain::{failure::Failure, timestamp::Timestamp};

/// A token as it is stored.
pub struct Kept {
    pub sealed: Sealed,
    pub scopes: Option<String>,
    pub refreshed_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub renew_at: Option<Timestamp>,
}

/// Has the worker get a first token, for what is in `sealed` or else for the credential's own secrets.
pub fn reset(credential_id: Uuid, sealed: Option<Sealed>) -> Result<()> {
    let (bytes, key_id) = sealed.map(|sealed| (sealed.bytes, sealed.key_id)).unzip();
    execute(statement!("tokens/reset"), &[credential_id.into(), bytes.into(), key_id.into()]).map(drop)
}

/// Has the worker get a new token at once.
pub fn renew(credential_id: Uuid) -> Result<()> {
    execute(statement!("tokens/renew"), &[credential_id.into()]).map(drop)
}

/// The credential is of a kind without tokens.
pub fn forget(credential_id: Uuid) -> Result<()> {
    execute(statement!("tokens/forget"), &[credential_id.into()]).map(drop)
}

/// Whether there is a token, or what one is given for.
pub fn is_sealed(credential_id: Uuid) -> Result<bool> {
    let sealed = one(statement!("tokens/sealed"), &[credential_id.into()], |row| first(row, 1))?;
    Ok(sealed == Some(true))
}

/// Notes that a token is about to be asked for, and tells whether an earlier request was never answered. `None` where the
/// credential is no longer as it was read with `version`.
pub fn begin(credential_id: Uuid, attempt: Uuid, version: &str) -> Result<Option<bool>> {
    one(statement!("tokens/begin"), &[credential_id.into(), attempt.into(), version.into()], |row| {
        first(row, 1)
    })
}

/// False where the credential has changed since the attempt began.
pub fn keep(credential_id: Uuid, attempt: Uuid, kept: Kept) -> Result<bool> {
    let Kept { sealed, scopes, refreshed_at, expires_at, renew_at } = kept;
    let arguments = [
        credential_id.into(),
        attempt.into(),
        sealed.bytes.into(),
        sealed.key_id.into(),
        scopes.into(),
        to_postgres(refreshed_at).into(),
        expires_at.and_then(to_postgres).into(),
        renew_at.and_then(to_postgres).into(),
    ];
    execute(statement!("tokens/keep"), &arguments).map(|kept| kept > 0)
}

/// `is_answered`: it is certain that no token was given.
pub fn fail(
    credential_id: Uuid,
    attempt: Uuid,
    failure: &Failure,
    retry_at: Timestamp,
    is_answered: bool,
) -> Result<()> {
    let arguments = [
        credential_id.into(),
        attempt.into(),
        failure.class.as_str().into(),
        failure.message.as_str().into(),
        to_postgres(retry_at).into(),
        is_answered.into(),
    ];
    execute(statement!("tokens/fail"), &arguments).map(drop)
}
