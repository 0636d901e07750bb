//! An argument of type `jsonb`.
//!
//! pgrx's own type panics at a document that serde_json can't hold: one that is nested deeper than 127 levels, or has a
//! number beyond those of a double.

use pgrx::{
    FromDatum,
    callconv::{Arg, ArgAbi},
    direct_function_call,
    nullable::Nullable,
    pg_sys, pgrx_resolved_type,
    pgrx_sql_entity_graph::metadata::{
        ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
    },
};
use serde_json::Value;
use std::ffi::CStr;
use zeroize::Zeroizing;

/// A document as somebody gave it.
pub struct Document {
    /// There may be a secret in it.
    text: Zeroizing<String>,
}

impl Document {
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The document in parts, or why it can't be taken apart.
    pub fn parse(&self) -> serde_json::Result<Value> {
        serde_json::from_str(&self.text)
    }
}

impl FromDatum for Document {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the caller promises that it is a jsonb; what jsonb_out returns is a C string, and copied at once.
        let text = unsafe { direct_function_call::<&CStr>(pg_sys::jsonb_out, &[Some(datum)]) }?;
        Some(Self { text: Zeroizing::new(text.to_string_lossy().into_owned()) })
    }
}

// SAFETY: it says that arguments are declared as jsonb, and that is what `FromDatum` reads.
unsafe impl SqlTranslatable for Document {
    const TYPE_IDENT: &'static str = pgrx_resolved_type!(Document);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}

// SAFETY: an argument is read as `FromDatum` reads it; NULL is told apart first.
unsafe impl<'fcx> ArgAbi<'fcx> for Document {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        let index = arg.index();
        // SAFETY: the caller promises that the argument is a jsonb.
        unsafe { arg.unbox_arg_using_from_datum::<Self>() }
            .unwrap_or_else(|| panic!("argument {index} must not be null"))
    }

    unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
        // SAFETY: as above.
        unsafe { arg.unbox_arg_using_from_datum::<Self>() }.into()
    }
}
