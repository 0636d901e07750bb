//! A key, and how it is written down.

use super::random;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use sha2::{Digest, Sha256};
use std::{fmt::Write, io};
use zeroize::Zeroizing;

const LENGTH: usize = 32;
/// What a key takes in a file, with its line break.
const LINE: usize = 2 * LENGTH + 1;

pub struct Key {
    bytes: Zeroizing<[u8; LENGTH]>,
}

impl Key {
    pub fn generate() -> Self {
        Self { bytes: Zeroizing::new(random()) }
    }

    /// What tells this key from others, and nothing about the key.
    pub fn fingerprint(&self) -> u64 {
        let digest: [u8; 32] = Sha256::digest(self.bytes.as_slice()).into();
        u64::from_be_bytes(*digest.first_chunk().unwrap_or(&[0; 8]))
    }

    /// The fingerprint as it is shown and stored.
    pub fn id(&self) -> String {
        shown(self.fingerprint())
    }

    pub fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }

    fn parse(line: &str) -> Option<Self> {
        let digits = line.as_bytes();
        if digits.len() != 2 * LENGTH || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = Zeroizing::new([0; LENGTH]);
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(line.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self { bytes })
    }
}

/// A fingerprint in digits.
pub fn shown(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

/// The fingerprint that [`shown`] shows.
pub fn fingerprint(shown: &str) -> Option<u64> {
    u64::from_str_radix(shown, 16).ok()
}

/// The keys in a text, which has one a line, the newest first; an error where there is none.
pub fn read(text: &[u8]) -> io::Result<Vec<Key>> {
    let malformed =
        |problem: String| io::Error::new(io::ErrorKind::InvalidData, format!("it does not hold {problem}"));
    let digits = || "64 hexadecimal digits in each line".to_owned();
    let text = str::from_utf8(text).map_err(|_| malformed(digits()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Option<Vec<Key>> = lines.map(Key::parse).collect();
    let keys = keys.ok_or_else(|| malformed(digits()))?;
    if keys.is_empty() {
        return Err(malformed("a key of 64 hexadecimal digits".to_owned()));
    }
    Ok(keys)
}

/// What [`read`] reads.
pub fn write(keys: &[Key]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(LINE * keys.len()));
    for key in keys {
        for byte in key.bytes.iter() {
            let _ = write!(*text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}
