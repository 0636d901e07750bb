//! Errors for the person who reads them: what, which value, what to do.

use pgrx::{pg_sys::panic::ErrorReport, prelude::*};
use sequin_domain::suggestion;

pub type Result<T> = std::result::Result<T, ErrorReport>;

/// An error with its SQLSTATE; DETAIL and HINT are added with `set_detail` and `set_hint`.
pub fn error(code: PgSqlErrorCode, message: impl Into<String>) -> ErrorReport {
    ErrorReport::new(code, message.into(), "sequin")
}

/// An argument whose value can't be used.
pub fn invalid(message: impl Into<String>) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message)
}

/// An argument that must be given.
pub fn required<T>(argument: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| {
        error(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, format!("{argument} can't be null"))
            .set_detail(format!("The argument {argument} is null."))
            .set_hint(format!("Give a value for the argument {argument}."))
    })
}

/// Something that is not there, and what there is instead.
pub fn unknown<'a>(
    kind: &str,
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> ErrorReport {
    let near = suggestion::nearest(name, candidates);
    let hint = match near.as_slice() {
        [] => otherwise.to_owned(),
        near => format!(
            "Did you mean {}?",
            near.iter().map(|near| format!("{near:?}")).collect::<Vec<_>>().join(" or ")
        ),
    };
    error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, format!("{kind} {name:?} does not exist"))
        .set_detail(format!("There is no {kind} with the name {name:?} in this database."))
        .set_hint(hint)
}

/// A name that is taken.
pub fn duplicate(kind: &str, name: &str, hint: &str) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT, format!("{kind} {name:?} exists already"))
        .set_detail(format!("Names of {kind}s are unique within a database."))
        .set_hint(hint)
}
