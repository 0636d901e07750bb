//! Secrets that are kept outside of the database, in files or in the server's environment.

use super::stamp::Stamp;
use sequin_domain::secret::Secret;
use serde_json::Value;
use std::{
    env,
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The most that a secret may have, in bytes.
const LONGEST: usize = 64 * 1024;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    File(PathBuf),
    /// A variable of the server's environment.
    Variable(String),
}

impl Reference {
    /// As it stands among the properties of a credential; `Err`: what is wrong with it.
    pub fn parse(value: &Value) -> Result<Self, &'static str> {
        let members: Vec<(&str, Option<&str>)> = match value {
            Value::Object(map) => map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            _ => Vec::new(),
        };
        match members.as_slice() {
            [("file", Some(path))] if !path.starts_with('/') => Err("the path of the file must begin with /"),
            [("file", Some(path))] if path.contains('\0') => {
                Err("the path of the file has a zero byte in it")
            }
            [("file", Some(path))] => Ok(Self::File(path.into())),
            [("env", Some(name))] if is_variable(name) => Ok(Self::Variable((*name).to_owned())),
            [("env", Some(_))] => Err("a variable has letters, digits and underscores in its name"),
            _ => Err("it must have either a \"file\" or an \"env\", which is a string"),
        }
    }

    /// The secret; `Err`: why there is none, and what can be done.
    pub fn read(&self) -> Result<Secret, String> {
        match self {
            Self::File(path) => read_file(path).map_err(|problem| {
                format!("the file {path:?} can't be used: {problem}. Put the secret there, where the server's user can read it")
            }),
            Self::Variable(name) => {
                let problem = match env::var(name) {
                    Ok(text) if !text.is_empty() => return Ok(text.into()),
                    Ok(_) => "is empty",
                    Err(env::VarError::NotPresent) => "is not set",
                    Err(env::VarError::NotUnicode(_)) => "is not UTF-8",
                };
                Err(format!("the variable {name:?} of the server's environment {problem}. Set it where the server is started, and restart the server"))
            }
        }
    }

    /// How the file is now; `None` where there is none.
    pub fn stamp(&self) -> Option<Stamp> {
        match self {
            Self::File(path) => Stamp::of(path),
            Self::Variable(_) => None,
        }
    }
}

fn is_variable(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && name.len() <= 200
        && name.chars().all(is_part)
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn read_file(path: &Path) -> io::Result<Secret> {
    let unusable = |problem: &str| io::Error::new(io::ErrorKind::InvalidData, problem);
    // To open a pipe would wait for whoever writes into it.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(unusable("it is no regular file"));
    }
    if metadata.permissions().mode() & 0o002 != 0 {
        return Err(unusable("everybody can write it"));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    file.take(LONGEST as u64 + 1).read_to_end(&mut text)?;
    if text.len() > LONGEST {
        return Err(unusable("it has more than 64 kB"));
    }
    let text = str::from_utf8(&text).map_err(|_| unusable("it is not UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() { Err(unusable("it is empty")) } else { Ok(text.into()) }
}
