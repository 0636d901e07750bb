//! Changes that are made at an API, and what to do when the request for one has failed.

use crate::failure::FailureClass;
use std::fmt;

/// What is to be done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Create,
    /// What is given is changed, and all else stays as it is.
    Update,
    Delete,
    /// Updates what is there, and creates what isn't.
    Upsert,
}

impl Action {
    pub const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Delete, Self::Upsert];

    /// The action that [`Action::as_str`] calls so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Upsert => "upsert",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a request may be sent again of which nobody knows what came of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repetition {
    /// Twice does what once does: because of a key that the API knows it by, or by its nature.
    Harmless,
    /// The API can be asked what came of the first.
    Visible,
    /// It could be done twice.
    Harmful,
}

/// What a request that failed has done at the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// None, and another try may go better.
    None,
    /// None, and none ever will: the API refuses it.
    Refused,
    /// Nobody knows.
    Unknown,
}

impl Effect {
    /// `has_arrived`: the API may have received the request. `is_answered`: it has said something.
    pub fn of(class: FailureClass, has_arrived: bool, is_answered: bool) -> Self {
        use FailureClass::{
            BadData, BadRequest, Credential, Missing, Permission, RateLimited, Transient, Unknown,
        };
        match class {
            _ if !has_arrived => Self::None,
            RateLimited | Credential => Self::None,
            Permission | Missing | BadRequest if is_answered => Self::Refused,
            // It may have been done, and only the answer is no good.
            Permission | Missing | BadRequest | Transient | BadData | Unknown => Self::Unknown,
        }
    }

    /// What is to be done about it.
    pub fn verdict(self, repetition: Repetition) -> Verdict {
        match (self, repetition) {
            (Self::None, _) | (Self::Unknown, Repetition::Harmless) => Verdict::Again,
            (Self::Unknown, Repetition::Visible) => Verdict::Look,
            (Self::Refused, _) => Verdict::Failed,
            (Self::Unknown, Repetition::Harmful) => Verdict::Uncertain,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is tried again.
    Again,
    /// First it is looked whether it was done.
    Look,
    /// That is the end of it.
    Failed,
    /// Somebody has to find out whether it was done.
    Uncertain,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_have_names() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(action));
        }
        assert_eq!(Action::parse("Create"), None);
    }

    #[test]
    fn what_surely_was_not_done_is_tried_again_and_what_is_refused_is_not() {
        for class in [
            FailureClass::Transient,
            FailureClass::RateLimited,
            FailureClass::Credential,
            FailureClass::Permission,
            FailureClass::Missing,
            FailureClass::BadRequest,
            FailureClass::BadData,
            FailureClass::Unknown,
        ] {
            let unsent = Effect::of(class, false, false);
            assert_eq!(unsent.verdict(Repetition::Harmful), Verdict::Again, "{class}");
            let verdict = Effect::of(class, true, true).verdict(Repetition::Harmful);
            let expected = match class {
                FailureClass::RateLimited | FailureClass::Credential => Verdict::Again,
                FailureClass::Permission | FailureClass::Missing | FailureClass::BadRequest => {
                    Verdict::Failed
                }
                _ => Verdict::Uncertain,
            };
            assert_eq!(verdict, expected, "{class}");
        }
    }

    #[test]
    fn what_surely_was_not_done_need_not_be_looked_for() {
        for (class, is_answered, verdict) in [
            (FailureClass::RateLimited, true, Verdict::Again),
            (FailureClass::BadRequest, true, Verdict::Failed),
            (FailureClass::BadRequest, false, Verdict::Look),
            (FailureClass::BadData, true, Verdict::Look),
        ] {
            assert_eq!(Effect::of(class, true, is_answered).verdict(Repetition::Visible), verdict, "{class}");
        }
    }

    #[test]
    fn nothing_is_done_twice_blindly() {
        let lost = Effect::of(FailureClass::Transient, true, false);
        assert_eq!(lost.verdict(Repetition::Harmful), Verdict::Uncertain);
        assert_eq!(lost.verdict(Repetition::Harmless), Verdict::Again);
        assert_eq!(lost.verdict(Repetition::Visible), Verdict::Look);
        // A redirect to elsewhere is no refusal: who knows what was done before.
        let led_away = Effect::of(FailureClass::BadRequest, true, false);
        assert_eq!(led_away.verdict(Repetition::Harmful), Verdict::Uncertain);
    }
}
