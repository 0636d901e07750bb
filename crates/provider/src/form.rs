//! JSON as the fields of a form: `a[b]=v` for what is nested, `a[0]=v` for what is in an array.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Nothing that is nested deeper is a form.
const DEEPEST: usize = 50;

/// Why something can't be the fields of a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoForm {
    #[error("it is no JSON object")]
    NoObject,
    #[error("it is nested deeper than {DEEPEST} levels")]
    TooDeep,
}

/// The fields of a JSON object, by name. Numbers stay as they are written; `null` and an empty array are an empty text,
/// which is how a form says that there is nothing; an empty object has no fields.
pub(crate) fn fields(object: &str) -> Result<Vec<(String, String)>, NoForm> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(object).map_err(|_| NoForm::NoObject)?;
    let mut fields = Vec::with_capacity(members.len());
    for (name, value) in members {
        add(name, value.get(), 1, &mut fields)?;
    }
    Ok(fields)
}

fn add(name: String, value: &str, depth: usize, fields: &mut Vec<(String, String)>) -> Result<(), NoForm> {
    if depth > DEEPEST {
        return Err(NoForm::TooDeep);
    }
    match value.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> =
                serde_json::from_str(value).map_err(|_| NoForm::NoObject)?;
            for (key, value) in members {
                add(format!("{name}[{key}]"), value.get(), depth + 1, fields)?;
            }
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(value).map_err(|_| NoForm::NoObject)?;
            if elements.is_empty() {
                fields.push((name, String::new()));
                return Ok(());
            }
            for (n, element) in elements.into_iter().enumerate() {
                add(format!("{name}[{n}]"), element.get(), depth + 1, fields)?;
            }
        }
        Some(b'"') => fields.push((name, serde_json::from_str(value).map_err(|_| NoForm::NoObject)?)),
        Some(b'n') => fields.push((name, String::new())),
        _ => fields.push((name, value.to_owned())),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn written(object: &str) -> String {
        let fields = fields(object).unwrap();
        fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn values_are_written_as_a_form_has_them() {
        for (object, expected) in [
            ("{}", ""),
            (r#"{"name": "Ada", "balance": -5}"#, "balance=-5&name=Ada"),
            (r#"{"a": {"b": {"c": 1}, "d": [1, {"e": 2}]}}"#, "a[b][c]=1&a[d][0]=1&a[d][1][e]=2"),
            (r#"{"yes": true, "no": false, "none": null}"#, "no=false&none=&yes=true"),
            (r#"{"list": [], "hash": {}, "text": ""}"#, "list=&text="),
            (
                r#"{"n": 123456789012345678901234567890, "m": 0.10, "e": 1e400}"#,
                "e=1e400&m=0.10&n=123456789012345678901234567890",
            ),
            (r#"{"q": "a\"b\n\u00e9"}"#, "q=a\"b\n\u{e9}"),
        ] {
            assert_eq!(written(object), expected, "{object}");
        }
    }

    #[test]
    fn what_is_no_object_or_nested_without_end_is_no_form() {
        for text in ["[]", "1", "null", "", "{"] {
            assert_eq!(fields(text), Err(NoForm::NoObject), "{text}");
        }
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(100), "]".repeat(100));
        assert_eq!(fields(&deep), Err(NoForm::TooDeep));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            "[a-z \\[\\]&=%é]{1,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 1..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-z]{1,3}", inner, 1..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The value that the fields stand for, with all that is no hash or list as a text; a number in brackets is a place in a
    /// list.
    fn read(fields: &[(String, String)]) -> Value {
        let mut root = json!({});
        for (name, value) in fields {
            let keys: Vec<&str> = name.split(['[', ']']).filter(|key| !key.is_empty()).collect();
            let mut place = &mut root;
            for key in keys {
                place = match key.parse::<usize>() {
                    Ok(index) => {
                        if !place.is_array() {
                            *place = json!([]);
                        }
                        let list = place.as_array_mut().unwrap();
                        list.resize(list.len().max(index + 1), Value::Null);
                        &mut list[index]
                    }
                    Err(_) => {
                        if !place.is_object() {
                            *place = json!({});
                        }
                        place.as_object_mut().unwrap().entry(key).or_insert(Value::Null)
                    }
                };
            }
            *place = Value::from(value.as_str());
        }
        root
    }

    fn as_texts(value: &Value) -> Value {
        match value {
            Value::Object(members) => Value::Object(
                members.iter().map(|(key, value)| (key.clone(), as_texts(value))).collect::<Map<_, _>>(),
            ),
            Value::Array(elements) => elements.iter().map(as_texts).collect(),
            Value::String(text) => Value::from(text.as_str()),
            other => Value::from(other.to_string()),
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way(members in proptest::collection::btree_map("[a-z]{1,3}", value(), 0..4)) {
            let object = Value::Object(members.into_iter().collect());
            let fields = fields(&object.to_string()).unwrap();
            prop_assert_eq!(read(&fields), as_texts(&object));
        }
    }
}
