//! Who of a database's workers works with which credential.

use super::{Result, rows, statement};
use pgrx::Uuid;

/// Takes a credential for this session, where no other has it.
pub fn take(credential: Uuid) -> Result<bool> {
    let taken = rows(statement!("worker/take_lease"), &[credential.into()], |row| row.get::<bool>(1))?;
    Ok(taken.first().copied().flatten().unwrap_or(false))
}

/// Lets others have a credential that this session has taken.
pub fn release(credential: Uuid) -> Result<()> {
    rows(statement!("worker/release_lease"), &[credential.into()], |_| Ok(())).map(drop)
}

/// Makes this session the one that notifies, where no other is.
pub fn take_notifying() -> Result<bool> {
    let taken = rows(statement!("worker/take_notifying"), &[], |row| row.get::<bool>(1))?;
    Ok(taken.first().copied().flatten().unwrap_or(false))
}
