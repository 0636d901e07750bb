//! Secrets of credentials: sealed with a key that SQL never sees, or kept outside of the database.

mod key;
mod key_file;
mod keyring;
mod outside;
mod stamp;

pub use key::{fingerprint, shown};
pub use keyring::{
    add_key, create_key_if_missing, current_key, forget_old_keys, is_from_command, key_stamp, read_anew,
};
pub use outside::Reference;
pub use stamp::Stamp;

use crate::error::{Result, error};
use chacha20poly1305::{
    AeadCore, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, OsRng, Payload},
};
use keyring::Keyring;
use pgrx::{pg_sys::panic::ErrorReport, prelude::*};
use sequin_domain::secret::Secret;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The secrets of a credential, by name.
pub type Secrets = BTreeMap<String, Secret>;

const NONCE_LENGTH: usize = 24;

/// Sealed secrets, and which key opens them.
pub struct Sealed {
    pub bytes: Vec<u8>,
    pub key_id: String,
}

/// Seals the secrets of the credential `id`; what is sealed for one credential doesn't open for another.
pub fn seal(id: &[u8; 16], secrets: &Secrets) -> Result<Sealed> {
    let keyring = Keyring::for_sealing()?;
    let key = keyring.newest();
    let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
    let sealed = key.cipher().encrypt(&nonce, Payload { msg: &written(secrets), aad: id }).map_err(|_| {
        error(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "the secrets of the credential could not be sealed")
    })?;
    Ok(Sealed { bytes: [nonce.as_slice(), &sealed].concat(), key_id: key.id() })
}

/// Opens what [`seal`] made for the credential `id`, called `name`.
pub fn open(id: &[u8; 16], name: &str, sealed: &Sealed) -> Result<Secrets> {
    let keyring = Keyring::with(&sealed.key_id)?;
    let key = keyring.find(&sealed.key_id).ok_or_else(|| {
        wrong_key(name, &format!("It is sealed with the key {}, there is {}.", sealed.key_id, keyring.ids()))
    })?;
    let damaged = || wrong_key(name, "What is stored is damaged, or belongs to another credential.");
    let (nonce, bytes) = sealed.bytes.split_at_checked(NONCE_LENGTH).ok_or_else(damaged)?;
    let text = key
        .cipher()
        .decrypt(XNonce::from_slice(nonce), Payload { msg: bytes, aad: id })
        .map(Zeroizing::new)
        .map_err(|_| damaged())?;
    serde_json::from_slice(&text).map_err(|_| damaged())
}

/// The secrets as JSON, in memory that does not move while it is written.
fn written(secrets: &Secrets) -> Zeroizing<Vec<u8>> {
    // A byte takes six at most, as \u0000.
    let longest = secrets.iter().map(|(name, secret)| 6 * (name.len() + secret.len()) + 6).sum::<usize>() + 2;
    let mut text = Zeroizing::new(Vec::<u8>::with_capacity(longest));
    let plain: BTreeMap<&str, &str> =
        secrets.iter().map(|(name, secret)| (name.as_str(), secret.as_str())).collect();
    serde_json::to_writer(&mut *text, &plain).expect("texts can always be written into memory");
    text
}

/// Bytes that nobody can guess.
pub fn random() -> [u8; 32] {
    XChaCha20Poly1305::generate_key(&mut OsRng).into()
}

fn wrong_key(name: &str, detail: &str) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR, format!("the secrets of credential {name:?} can't be opened"))
        .set_detail(detail)
        .set_hint("Bring the key back that the credential was sealed with (as a further line of the key file, or of what sequin.key_command prints), or give the credential its secrets again with sequin.update_credential.")
}
