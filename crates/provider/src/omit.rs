//! Leaving members out of an object that is a text.

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use std::fmt;

/// The object `json` without the members of these names; what is none stays as it is.
pub(crate) fn without(json: &str, names: &[String]) -> String {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Without(names).deserialize(&mut deserializer).unwrap_or_else(|_| json.to_owned())
}

struct Without<'n>(&'n [String]);

impl<'de> DeserializeSeed<'de> for Without<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Without<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut rest = String::from("{");
        while let Some(name) = map.next_key::<String>()? {
            let value: &'de RawValue = map.next_value()?;
            if self.0.contains(&name) {
                continue;
            }
            if rest.len() > 1 {
                rest.push(',');
            }
            rest.push_str(&Value::from(name).to_string());
            rest.push(':');
            rest.push_str(value.get());
        }
        rest.push('}');
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_as_it_was() {
        let names = ["attributes".to_owned(), "x".to_owned()];
        let json = r#"{"attributes": {"url": "/v1"}, "Id" : "a", "n": 1e400, "\u00e9\"": [ 1, {"x": 2} ], "x": null}"#;
        assert_eq!(without(json, &names), r#"{"Id":"a","n":1e400,"é\"":[ 1, {"x": 2} ]}"#);
        assert_eq!(without(r#"{"x": 1}"#, &names), "{}");
        assert_eq!(without("[1]", &names), "[1]");
    }
}
