//! Functions that PostgreSQL calls as it calls its own: arguments and results go through as they are.

use pgrx::{datum::Interval, fcinfo, prelude::*, varlena};
use std::slice;

/// A call under way.
pub struct Call(pg_sys::FunctionCallInfo);

/// Makes a function of Rust, `fn(&Call) -> Option<Datum>`, known to `LANGUAGE c`.
macro_rules! function {
    ($name:ident, $info:ident, $body:path) => {
        #[doc(hidden)]
        #[unsafe(no_mangle)]
        pub extern "C" fn $info() -> &'static pgrx::pg_sys::Pg_finfo_record {
            &pgrx::pg_sys::Pg_finfo_record { api_version: 1 }
        }

        #[doc(hidden)]
        #[pgrx::pg_guard]
        #[unsafe(no_mangle)]
        pub extern "C-unwind" fn $name(call: pgrx::pg_sys::FunctionCallInfo) -> pgrx::pg_sys::Datum {
            $crate::pg::call::run(call, $body)
        }
    };
}
pub(crate) use function;

/// What `function!` has PostgreSQL call.
pub fn run(call: pg_sys::FunctionCallInfo, body: fn(&Call) -> Option<pg_sys::Datum>) -> pg_sys::Datum {
    body(&Call(call)).unwrap_or_else(|| {
        // SAFETY: PostgreSQL passes a valid call; nobody else writes to it.
        unsafe { (*call).isnull = true };
        pg_sys::Datum::from(0)
    })
}

impl Call {
    /// An argument as it is; `None` for NULL.
    pub fn datum(&self, n: usize) -> Option<pg_sys::Datum> {
        // SAFETY: the function was called with as many arguments as its declaration in SQL has.
        unsafe { fcinfo::pg_getarg_datum(self.0, n) }
    }

    /// The bytes of an argument that is text or jsonb.
    pub fn bytes(&self, n: usize) -> Option<&[u8]> {
        // SAFETY: what the argument points to lives as long as the call.
        self.datum(n).map(|datum| unsafe { bytes(datum) })
    }

    pub fn int(&self, n: usize) -> Option<i32> {
        // SAFETY: the conversion reads the datum itself, which is no pointer.
        self.datum(n).and_then(|datum| unsafe { i32::from_datum(datum, false) })
    }

    /// Whether an argument is an interval that isn't negative.
    pub fn is_duration(&self, n: usize) -> bool {
        // SAFETY: the argument is declared as interval.
        let interval = self.datum(n).and_then(|datum| unsafe { Interval::from_datum(datum, false) });
        interval.is_some_and(|given| given.months() >= 0 && given.days() >= 0 && given.micros() >= 0)
    }

    /// The elements of an argument that is text[]; `None` where it or one of them is NULL.
    pub fn texts(&self, n: usize) -> Option<Vec<&[u8]>> {
        let datum = self.datum(n)?;
        let (mut elements, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
        // SAFETY: the argument is declared as text[]; the elements live as long as the memory of the call.
        unsafe {
            pg_sys::deconstruct_array(
                pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast(),
                pg_sys::TEXTOID,
                -1,
                false,
                pg_sys::TYPALIGN_INT as _,
                &mut elements,
                &mut nulls,
                &mut count,
            );
            let count = usize::try_from(count).unwrap_or(0);
            if count == 0 {
                return Some(Vec::new());
            }
            let nulls = slice::from_raw_parts(nulls, count);
            let elements = slice::from_raw_parts(elements, count);
            if nulls.contains(&true) {
                return None;
            }
            Some(elements.iter().map(|element| bytes(*element)).collect())
        }
    }

    /// The place for the rows of a function that returns a set.
    pub fn result_set(&self) -> ResultSet {
        // SAFETY: PostgreSQL has checked the declaration; where the caller wants no set, this raises an error.
        unsafe {
            pg_sys::InitMaterializedSRF(self.0, 0);
            let info = (*self.0).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            ResultSet { rows: (*info).setResult, context: (*(*info).econtext).ecxt_per_query_memory }
        }
    }
}

/// The rows that a call returns.
pub struct ResultSet {
    pub(super) rows: *mut pg_sys::Tuplestorestate,
    pub(super) context: pg_sys::MemoryContext,
}

/// The bytes of a text or jsonb.
///
/// # Safety
/// The datum must be of such a type, and live as long as what is returned is used.
unsafe fn bytes<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: as the caller says.
    unsafe {
        let value = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
        slice::from_raw_parts(varlena::vardata_any(value).cast(), varlena::varsize_any_exhdr(value))
    }
}
