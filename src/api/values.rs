//! Members of objects as values of SQL, for the columns of views: NULL for what is none of the type, and never an error.

use super::shown;
use crate::{
    error::{Result, invalid},
    store::plan::to_postgres,
};
use pgrx::{
    AnyNumeric, Uuid,
    datum::{Date, TimestampWithTimeZone},
    prelude::*,
};
use sequin_provider::{moment::MomentFormat, value};

#[pg_extern(immutable, parallel_safe)]
fn as_boolean(value: &str) -> Option<bool> {
    value::boolean(value)
}

#[pg_extern(immutable, parallel_safe)]
fn as_bigint(value: &str) -> Option<i64> {
    value::bigint(value)
}

#[pg_extern(immutable, parallel_safe)]
fn as_double_precision(value: &str) -> Option<f64> {
    value::double_precision(value)
}

#[pg_extern(immutable, parallel_safe)]
fn as_numeric(value: &str) -> Option<AnyNumeric> {
    value::numeric(value)?.parse().ok()
}

#[pg_extern(immutable, parallel_safe)]
fn as_timestamptz(value: &str, format: default!(&str, "'iso8601'")) -> Result<Option<TimestampWithTimeZone>> {
    let Some(format) = MomentFormat::named(format) else {
        let names = MomentFormat::ALL.map(MomentFormat::name).join(", ");
        return Err(invalid("invalid format of a time")
            .set_detail(format!("It is {:?}.", shown(format)))
            .set_hint(format!("Give one of {names}.")));
    };
    Ok(format.read_text(value).and_then(to_postgres))
}

#[pg_extern(immutable, parallel_safe)]
fn as_date(value: &str) -> Option<Date> {
    let (year, month, day) = value::date(value)?;
    Date::new(year, month, day).ok()
}

#[pg_extern(immutable, parallel_safe)]
fn as_uuid(value: &str) -> Option<Uuid> {
    uuid::Uuid::try_parse(value).ok().map(|id| Uuid::from_bytes(*id.as_bytes()))
}
