//! Names of streams, credentials, syncs and consumers.

/// The longest name, in characters: long enough for an account's name, short enough for a log line.
pub const MAX_LENGTH: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("a name can't be empty")]
    Empty,
    #[error("a name has at most {MAX_LENGTH} characters, this one has {0}")]
    TooLong(usize),
    #[error("a name can't start or end with white space, or contain control characters")]
    Unprintable,
}

/// Checks the name of a stream, credential, sync or consumer.
pub fn check(name: &str) -> Result<(), InvalidName> {
    let length = name.chars().count();
    if length == 0 {
        Err(InvalidName::Empty)
    } else if length > MAX_LENGTH {
        Err(InvalidName::TooLong(length))
    } else if name.trim() != name || name.chars().any(char::is_control) {
        Err(InvalidName::Unprintable)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_people_call_things() {
        for name in ["prod", "Stripe (live)", "acme-eu.1", "顧客"] {
            assert_eq!(check(name), Ok(()));
        }
    }

    #[test]
    fn refuses_what_cannot_be_read_back() {
        assert_eq!(check(""), Err(InvalidName::Empty));
        assert_eq!(check(&"x".repeat(201)), Err(InvalidName::TooLong(201)));
        for name in [" a", "a\n", "a\u{0}b", "\t"] {
            assert_eq!(check(name), Err(InvalidName::Unprintable));
        }
    }
}
