//! How the keeper's errands have ended, and writing that down.

use super::{
    credential::CredentialContext,
    job::jitter,
    keeper::{KINDS_EVERY, Step},
};
use crate::{
    error::Result as SqlResult,
    pg::{
        extension,
        transaction::{SqlError, transaction},
    },
    secret::{self, Secrets},
    store::{self, tokens::Kept},
};
use pgrx::{Uuid, pg_sys::Oid};
use sequin_domain::{
    collection::CollectionId,
    failure::{Failure, FailureClass},
    schedule::less_and_less_often,
    secret::Secret,
    timestamp::Timestamp,
    token::renew_after,
};
use sequin_provider::{
    declaration::{ACCESS_TOKEN, Declaration},
    kinds::{self, Kind, Listed},
    probe::Identity,
    token::Granted,
};
use std::{collections::HashMap, time::SystemTime};

pub struct Outcome {
    pub credential: Uuid,
    pub what: Happened,
}

pub enum Happened {
    Granted {
        attempt: Uuid,
        refresh_token: Option<Secret>,
        granted: Box<Granted>,
    },
    Failed {
        attempt: Uuid,
        failure: Failure,
        was_lost: bool,
    },
    Checked {
        result: Result<Identity, Failure>,
        asked_at: SystemTime,
    },
    /// The kinds of objects that the account has.
    Listed {
        result: Result<Vec<Listed>, Failure>,
        asked_at: SystemTime,
    },
}

/// Writes down how an errand has ended, in a transaction.
pub fn write_down(
    outcome: &Outcome,
    extension: Oid,
    context: Option<&CredentialContext>,
) -> Result<Step, SqlError> {
    let credential = outcome.credential;
    transaction(|| {
        if extension::oid() != Some(extension) {
            return Ok(Step::Gone);
        }
        match &outcome.what {
            Happened::Granted { attempt, refresh_token, granted } => {
                keep(credential, *attempt, granted, refresh_token.as_ref())?;
            }
            Happened::Failed { attempt, failure, was_lost } => {
                let failures =
                    context.and_then(|context| context.row.token.as_ref()).map_or(0, |token| token.failures);
                let retry_in = failure.delay(failures.saturating_add(1), jitter());
                let failure = explained(failure, *was_lost, context);
                let retry_at = (SystemTime::now() + retry_in).into();
                store::tokens::fail(credential, *attempt, &failure, retry_at, is_definite(&failure))?;
            }
            Happened::Checked { result, asked_at } => {
                let (identity, failure) = match result {
                    Ok(identity) => (identity.clone(), None),
                    Err(failure) => (Identity::default(), Some(failure)),
                };
                // Who is told what it may not do, has been let in.
                let is_accepted = failure.is_none_or(|failure| failure.class == FailureClass::Permission);
                store::checks::keep(credential, (*asked_at).into(), is_accepted, identity, failure)?;
            }
            Happened::Listed { result: Ok(listed), asked_at } => {
                if let Some(context) = context {
                    keep_kinds(credential, &context.declaration, listed, (*asked_at).into())?;
                }
            }
            Happened::Listed { result: Err(failure), .. } => {
                let failures =
                    context.and_then(|context| context.row.kinds.as_ref()).map_or(0, |list| list.failures);
                let failures = failures.saturating_add(1);
                // Many a credential may not know them, and each try is written down.
                let delay = failure.delay(failures, jitter());
                let retry_in = less_and_less_often(delay, failures, KINDS_EVERY);
                store::kinds::fail(credential, failure, (SystemTime::now() + retry_in).into())?;
            }
        }
        Ok(Step::Changed)
    })
}

fn keep(credential: Uuid, attempt: Uuid, granted: &Granted, refresh_token: Option<&Secret>) -> SqlResult<()> {
    let parts = [
        (ACCESS_TOKEN, Some(granted.access_token.clone())),
        ("refresh_token", granted.refresh_token.as_ref().or(refresh_token).cloned()),
        ("base_url", granted.base_url.as_deref().map(Secret::from)),
    ];
    let tokens: Secrets =
        parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let renew_at = granted.expires_at.map(|expires_at| {
        let got_at = SystemTime::from(granted.received_at);
        let lifetime = SystemTime::from(expires_at).duration_since(got_at).unwrap_or_default();
        Timestamp::from(got_at + renew_after(lifetime, jitter()))
    });
    let kept = Kept {
        sealed: secret::seal(credential.as_bytes(), &tokens)?,
        scopes: granted.scopes.clone(),
        refreshed_at: granted.received_at,
        expires_at: granted.expires_at,
        renew_at,
    };
    if store::tokens::keep(credential, attempt, kept)? {
        store::credentials::forget_failures(credential)?;
    }
    Ok(())
}

/// Keeps which kinds of objects there are. Where one is another list than before, what is unfinished of it starts over.
fn keep_kinds(
    credential: Uuid,
    declaration: &Declaration,
    listed: &[Listed],
    listed_at: Timestamp,
) -> SqlResult<()> {
    let known = store::kinds::of_credential(credential, None)?;
    let kinds = kinds::assign(declaration, &known, listed.to_vec());
    store::kinds::keep(credential, &declaration.provider, &kinds, listed_at)?;
    let before: HashMap<&str, &Kind> = known.iter().map(|kind| (kind.collection.as_str(), kind)).collect();
    let is_another = |kind: &&Kind| {
        let old = before.get(kind.collection.as_str());
        old.is_some_and(|old| (&old.name, &old.template) != (&kind.name, &kind.template))
    };
    for kind in kinds.iter().filter(is_another) {
        let id = CollectionId::new(&declaration.provider, &kind.collection);
        store::discovered::forget(credential, Some(id.as_str()))?;
        for sync_id in store::discovered::syncs(credential, id.as_str())? {
            store::backfills::restart(sync_id, Some(id.as_str()), false)?;
        }
    }
    Ok(())
}

/// Whether the failure says that no token was given. Otherwise the answer may have been lost, and a new refresh token
/// with it.
fn is_definite(failure: &Failure) -> bool {
    use FailureClass::{BadData, Transient, Unknown};
    !matches!(failure.class, BadData | Transient | Unknown)
}

/// The failure as it is shown: what it is about, and what helps where nothing is tried in vain.
fn explained(failure: &Failure, was_lost: bool, context: Option<&CredentialContext>) -> Failure {
    let mut message = format!("the access token can't be renewed: {}", failure.message);
    if failure.class == FailureClass::Credential {
        if was_lost {
            message.push_str(
                ". The answer to an earlier request was lost: a new refresh token may have been in it, and the old one be void",
            );
        }
        let source = context.and_then(CredentialContext::token).map(|(source, _)| source);
        if source.is_some_and(|source| source.authorize.is_some()) {
            message.push_str(". If it stays so, authorize it anew with sequin.start_oauth");
        }
    }
    Failure { message, ..failure.clone() }
}
