//! The fields of a collection's objects, as columns of SQL.

use super::{
    Declaration, Invalid,
    check::{Checked, refuse},
};
use crate::{moment::MomentFormat, pointer::Pointer};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// By name.
pub type Fields = BTreeMap<String, Field>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub field_type: FieldType,
    /// How a `timestamptz` is written; ISO 8601 if it is not said.
    pub format: Option<MomentFormat>,
    /// Where it is; the member of its name if it is not said.
    pub at: Option<Pointer>,
    /// Whether a number, a boolean or a time is written as a text.
    pub quoted: bool,
}

/// A type of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    Text,
    Boolean,
    Bigint,
    #[serde(rename = "double precision")]
    DoublePrecision,
    Numeric,
    Timestamptz,
    Date,
    Uuid,
    Jsonb,
}

impl FieldType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Bigint => "bigint",
            Self::DoublePrecision => "double precision",
            Self::Numeric => "numeric",
            Self::Timestamptz => "timestamptz",
            Self::Date => "date",
            Self::Uuid => "uuid",
            Self::Jsonb => "jsonb",
        }
    }

    /// The type of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(name)).ok()
    }

    /// Whether JSON has no other way to write it than as a text, or than as it is.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Date | Self::Uuid | Self::Jsonb)
    }
}

impl Field {
    /// Where the field called `name` is.
    pub fn pointer(&self, name: &str) -> Cow<'_, Pointer> {
        self.at.as_ref().map_or_else(|| Cow::Owned(Pointer::to_key(name)), Cow::Borrowed)
    }

    /// How it is written; `None` for what is no time.
    pub fn moment_format(&self) -> Option<MomentFormat> {
        (self.field_type == FieldType::Timestamptz).then(|| self.format.unwrap_or(MomentFormat::Iso8601))
    }
}

/// What stands in a declaration: a type, or an object with one.
impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InFull {
    #[serde(rename = "type")]
    field_type: FieldType,
    format: Option<MomentFormat>,
    at: Option<Pointer>,
    #[serde(default)]
    quoted: bool,
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type, or an object with one")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Field, E> {
        let field_type = FieldType::deserialize(serde::de::value::StrDeserializer::<E>::new(name))?;
        Ok(Field { field_type, format: None, at: None, quoted: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
        let InFull { field_type, format, at, quoted } = InFull::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Field { field_type, format, at, quoted })
    }
}

pub(super) fn check(place: &str, fields: &Fields) -> Checked {
    for (name, field) in fields {
        let at = |key: &str| format!("{place}/{}{key}", name.replace('~', "~0").replace('/', "~1"));
        if name.is_empty() {
            return refuse(at(""), "a field has a name");
        }
        if field.at.as_ref().is_some_and(Pointer::is_root) {
            return refuse(at("/at"), "it must lead to a part of the object");
        }
        if field.format.is_some() && field.field_type != FieldType::Timestamptz {
            return refuse(at("/format"), "only a timestamptz has one");
        }
        if field.quoted && field.field_type.is_text() {
            return refuse(at("/quoted"), "it is for what could be written without quotes");
        }
    }
    Ok(())
}

impl Declaration {
    /// With the fields that stand in a document of their own: collection → field → type.
    pub fn with_fields(mut self, json: &str) -> Result<Self, Invalid> {
        let all: BTreeMap<String, Fields> = super::read(json)?;
        for (name, fields) in all {
            check(&format!("/{name}"), &fields)?;
            match self.collections.iter_mut().find(|collection| collection.name == name) {
                Some(collection) => collection.fields = fields,
                None => return refuse(format!("/{name}"), "there is no such collection"),
            }
        }
        Ok(self)
    }
}
