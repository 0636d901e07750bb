//! Sealing the secrets of credentials with a key that SQL never sees.

use crate::{
    error::{Result, error},
    settings,
};
use chacha20poly1305::{
    AeadCore, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, OsRng, Payload},
};
use pgrx::{pg_sys::panic::ErrorReport, prelude::*};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};
use zeroize::Zeroizing;

/// The secrets of a credential, by name.
pub type Secrets = BTreeMap<String, String>;

const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;

/// The key of this cluster, as read from its file.
pub struct Key {
    bytes: Zeroizing<[u8; KEY_LENGTH]>,
}

/// Sealed secrets, and which key opens them.
pub struct Sealed {
    pub bytes: Vec<u8>,
    pub key_id: String,
}

impl Key {
    /// The key in the file of the setting `sequin.key_file`, which is made where there is none.
    ///
    /// To be called only where nothing is sealed yet: a new key in place of a lost one would open nothing.
    pub fn load_or_create() -> Result<Self> {
        let path = settings::key_file();
        match Self::read(&path) {
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => {
                // Another backend may make the file at the same moment: whoever is first, wins.
                match Self::create(&path) {
                    Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => Self::read(&path),
                    created => created,
                }
            }
            read => read,
        }
        .map_err(|problem| unusable(&path, &problem))
    }

    /// The key in the file of the setting `sequin.key_file`.
    pub fn load() -> Result<Self> {
        let path = settings::key_file();
        Self::read(&path).map_err(|problem| unusable(&path, &problem))
    }

    fn read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "group or others can read it; it must have mode 0600",
            ));
        }
        let text = Zeroizing::new(io::read_to_string(file)?);
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        let digits = text.trim().as_bytes();
        if digits.len() != 2 * KEY_LENGTH {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not hold 64 hexadecimal digits"));
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair =
                str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "it does not hold 64 hexadecimal digits")
            })?;
        }
        Ok(Self { bytes })
    }

    fn create(path: &Path) -> io::Result<Self> {
        let bytes = Zeroizing::new(XChaCha20Poly1305::generate_key(&mut OsRng).into());
        let key = Self { bytes };
        let text: Zeroizing<String> = Zeroizing::new(
            key.bytes.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect(),
        );
        // Written aside and linked into place, so that no crash leaves half a key under the name.
        let unfinished = path.with_extension(format!("new.{}", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        let linked = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::hard_link(&unfinished, path));
        std::fs::remove_file(&unfinished)?;
        linked?;
        if let Some(folder) = path.parent() {
            File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()?;
        }
        Ok(key)
    }

    /// What tells this key from others, and nothing about the key.
    fn id(&self) -> String {
        Sha256::digest(self.bytes.as_slice())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }

    /// Seals the secrets of the credential `id`; what is sealed for one credential doesn't open for another.
    pub fn seal(&self, id: &[u8; 16], secrets: &Secrets) -> Result<Sealed> {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let text = serde_json::to_vec(secrets).map(Zeroizing::new);
        let sealed =
            text.ok().and_then(|text| self.cipher().encrypt(&nonce, Payload { msg: &text, aad: id }).ok());
        let sealed = sealed.ok_or_else(|| {
            error(PgSqlErrorCode::ERRCODE_INTERNAL_ERROR, "the secrets of the credential could not be sealed")
        })?;
        Ok(Sealed { bytes: [nonce.as_slice(), &sealed].concat(), key_id: self.id() })
    }

    /// Opens what [`Key::seal`] made for the credential `id`, called `name`.
    pub fn open(&self, id: &[u8; 16], name: &str, sealed: &Sealed) -> Result<Secrets> {
        if sealed.key_id != self.id() {
            return Err(wrong_key(
                name,
                &format!("It is sealed with the key {}, the file holds {}.", sealed.key_id, self.id()),
            ));
        }
        let damaged = || wrong_key(name, "What is stored is damaged, or belongs to another credential.");
        let (nonce, sealed) = sealed.bytes.split_at_checked(NONCE_LENGTH).ok_or_else(damaged)?;
        let text = self
            .cipher()
            .decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: id })
            .map(Zeroizing::new)
            .map_err(|_| damaged())?;
        serde_json::from_slice(&text).map_err(|_| damaged())
    }
}

/// Bytes that nobody can guess.
pub fn random() -> [u8; 32] {
    XChaCha20Poly1305::generate_key(&mut OsRng).into()
}

fn unusable(path: &Path, problem: &io::Error) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR, format!("the key file {path:?} can't be used: {problem}"))
        .set_detail("The secrets of credentials are sealed with the key in this file.")
        .set_hint("Restore the file from a backup, with mode 0600 and owned by the server's user, or let the setting sequin.key_file name the right one. If the key is lost for good, put a new one there (64 hexadecimal digits), and give each credential its secrets again.")
}

fn wrong_key(name: &str, detail: &str) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_CONFIG_FILE_ERROR, format!("the secrets of credential {name:?} can't be opened"))
        .set_detail(detail)
        .set_hint("Restore the key file that the credential was made with, or give the credential its secrets again with sequin.update_credential.")
}
