//! The JSON of a record. Its document goes through as it is stored, neither taken apart nor copied twice.

use super::{
    call::{Call, function},
    jsonb::{self, Value},
};
use pgrx::{prelude::*, varlena};
use sequin_domain::timestamp::Timestamp;
use std::slice;

/// Microseconds from 1970, where ours begin, to 2000, where those of PostgreSQL do.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// The arguments of `sequin._build_record_json`, by their places.
struct Arguments<'a>(&'a Call);

impl Arguments<'_> {
    fn text(&self, n: usize) -> Value<'_> {
        self.0.bytes(n).map_or(Value::Null, Value::String)
    }

    fn document(&self, n: usize) -> Value<'_> {
        self.0.bytes(n).map_or(Value::Null, Value::Document)
    }

    fn uuid(&self, n: usize) -> Option<String> {
        // SAFETY: the argument is declared as uuid, which is 16 bytes.
        let bytes = self.0.datum(n).map(|datum| unsafe { *datum.cast_mut_ptr::<[u8; 16]>() })?;
        Some(uuid::Uuid::from_bytes(bytes).hyphenated().to_string())
    }

    fn time(&self, n: usize) -> Option<String> {
        let micros = self.0.datum(n)?.value() as i64;
        Timestamp::from_unix_micros(micros.checked_add(POSTGRES_EPOCH)?).map(Timestamp::iso_8601)
    }

    fn bool(&self, n: usize) -> Value<'_> {
        self.0.datum(n).map_or(Value::Null, |datum| Value::Bool(datum.value() & 0xFF != 0))
    }

    fn number(&self, n: usize) -> Value<'_> {
        // SAFETY: int64_to_numeric gives a numeric with a four-byte header, in memory of the call.
        self.0.datum(n).map_or(Value::Null, |datum| unsafe {
            let number = pg_sys::int64_to_numeric(datum.value() as i64).cast::<pg_sys::varlena>();
            Value::Numeric(slice::from_raw_parts(number.cast(), varlena::varsize_any(number)))
        })
    }
}

fn string(text: Option<&String>) -> Value<'_> {
    text.map_or(Value::Null, |text| Value::String(text.as_bytes()))
}

function!(sequin_build_record_json, pg_finfo_sequin_build_record_json, build);

/// `sequin._build_record_json` of SQL, where its arguments are declared.
fn build(call: &Call) -> Option<pg_sys::Datum> {
    let arguments = Arguments(call);
    let (id, stream_id) = (arguments.uuid(0), arguments.uuid(1));
    let (inserted_at, created_at, updated_at) = (arguments.time(9), arguments.time(11), arguments.time(12));
    let object = jsonb::object([
        ("id", string(id.as_ref())),
        ("data", arguments.document(7)),
        ("sync", arguments.document(2)),
        ("deleted", arguments.bool(8)),
        ("provider", arguments.text(4)),
        ("stream_id", string(stream_id.as_ref())),
        ("inserted_at", string(inserted_at.as_ref())),
        ("updated_idx", arguments.number(10)),
        ("upstream_id", arguments.text(6)),
        ("collection_id", arguments.text(5)),
        ("sync_external_id", arguments.text(3)),
        ("upstream_created_at", string(created_at.as_ref())),
        ("upstream_updated_at", string(updated_at.as_ref())),
    ]);
    let Some(object) = object else {
        ereport!(ERROR, PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the record is too large for jsonb");
    };
    // SAFETY: the copy is as large as what is copied, and lives as long as the result of the call has to.
    unsafe {
        let copy = pg_sys::palloc(object.len()).cast::<u8>();
        copy.copy_from_nonoverlapping(object.as_ptr(), object.len());
        varlena::set_varsize_4b(copy.cast(), object.len() as i32);
        Some(pg_sys::Datum::from(copy))
    }
}
