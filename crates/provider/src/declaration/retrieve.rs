//! How one object is read.

use crate::{body::Body, pointer::Pointer, template::Template};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::fmt;

/// The request for one object: a path, or an object with a path and more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrieve {
    pub path: Template,
    /// It is asked for with it, by POST.
    pub body: Option<Body>,
    /// Where the answer has the object. Where it has `null` there, the object is missing.
    pub record: Pointer,
}

impl Retrieve {
    /// Its path, where there is no more to it.
    pub(crate) fn as_path(&self) -> Option<&Template> {
        (self.body.is_none() && self.record.is_root()).then_some(&self.path)
    }

    /// The names that are filled in, in the path and in the body.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.path.names().chain(self.body.iter().flat_map(Body::names))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InFull {
    path: Template,
    body: Option<Body>,
    #[serde(default)]
    record: Pointer,
}

/// By hand, so that a mistake within the object is refused with its place.
impl<'de> Deserialize<'de> for Retrieve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Retrieve;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or an object with one")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Retrieve, E> {
                let path = Template::try_from(text.to_owned()).map_err(E::custom)?;
                Ok(Retrieve { path, body: None, record: Pointer::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Retrieve, A::Error> {
                let InFull { path, body, record } = InFull::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Retrieve { path, body, record })
            }
        }
        deserializer.deserialize_any(Either)
    }
}
