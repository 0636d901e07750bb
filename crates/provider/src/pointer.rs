//! JSON pointers that are followed in text, without building a tree.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;

/// A pointer such as `/data/object/id` or `/0/code` (RFC 6901); "" is the whole text.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(Vec<String>);

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix('/') {
            None if text.is_empty() => Ok(Self(Vec::new())),
            Some(path) => {
                Ok(Self(path.split('/').map(|key| key.replace("~1", "/").replace("~0", "~")).collect()))
            }
            None => Err(format!("{text:?} is no JSON pointer: it must start with /")),
        }
    }
}

impl Pointer {
    /// The pointer to a key of the object that is the whole text.
    pub(crate) fn to_key(key: &str) -> Self {
        Self(vec![key.to_owned()])
    }

    /// The pointer to a key of what this one leads to.
    pub(crate) fn join(mut self, key: &str) -> Self {
        self.0.push(key.to_owned());
        self
    }

    /// The keys that it leads through.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Whether it is the pointer to the whole text.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|key| write!(f, "/{}", key.replace('~', "~0").replace('/', "~1")))
    }
}

/// What the pointers lead to in a JSON text; `None` for each that leads nowhere.
///
/// The text is read once for all of them. Of equal keys the last counts, as in `jsonb`.
/// Fails where the text is not JSON.
pub fn follow<'a, const N: usize>(
    text: &'a str,
    pointers: [Option<&Pointer>; N],
) -> serde_json::Result<[Option<&'a RawValue>; N]> {
    let mut found = [None; N];
    if text.trim_start().starts_with(['{', '[']) {
        let paths = pointers.map(|pointer| pointer.map(|pointer| pointer.0.as_slice()));
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Container { paths, found: &mut found }.deserialize(&mut deserializer)?;
        deserializer.end()?;
    } else {
        serde_json::from_str::<IgnoredAny>(text)?;
    }
    for (pointer, found) in pointers.iter().zip(&mut found) {
        if pointer.is_some_and(Pointer::is_root) {
            *found = Some(serde_json::from_str(text)?);
        }
    }
    Ok(found)
}

/// An object or an array, and the rests of the paths that lead through it.
struct Container<'p, 'a, 'f, const N: usize> {
    paths: [Option<&'p [String]>; N],
    found: &'f mut [Option<&'a RawValue>; N],
}

impl<'a, const N: usize> Container<'_, 'a, '_, N> {
    /// Takes the value that the paths with these heads lead to, or on through.
    fn enter<E: Error>(&mut self, heads: [bool; N], value: &'a RawValue) -> Result<(), E> {
        let mut deeper = [None; N];
        for n in (0..N).filter(|n| heads[*n]) {
            match self.paths[n] {
                Some([_]) => self.found[n] = Some(value),
                Some([_, rest @ ..]) => {
                    self.found[n] = None;
                    deeper[n] = Some(rest);
                }
                Some([]) | None => {}
            }
        }
        if deeper.iter().any(Option::is_some) && value.get().starts_with(['{', '[']) {
            let mut deserializer = serde_json::Deserializer::from_str(value.get());
            Container { paths: deeper, found: self.found }
                .deserialize(&mut deserializer)
                .map_err(E::custom)?;
        }
        Ok(())
    }
}

impl<'a, const N: usize> DeserializeSeed<'a> for Container<'_, 'a, '_, N> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, const N: usize> Visitor<'a> for Container<'_, 'a, '_, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(heads) = map.next_key_seed(Heads(&self.paths))? {
            if heads.contains(&true) {
                let value: &'a RawValue = map.next_value()?;
                self.enter::<A::Error>(heads, value)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut items: A) -> Result<(), A::Error> {
        let wanted = self.paths.map(|path| path.and_then(<[String]>::first).and_then(|head| index(head)));
        for n in 0.. {
            let heads = wanted.map(|wanted| wanted == Some(n));
            if heads.contains(&true) {
                let Some(value) = items.next_element::<&'a RawValue>()? else { break };
                self.enter::<A::Error>(heads, value)?;
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// The place in an array that a part of a pointer is.
fn index(part: &str) -> Option<usize> {
    let is_index = part == "0" || (!part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()));
    part.parse().ok().filter(|_| is_index)
}

/// A key, compared with the heads of the paths.
struct Heads<'h, 'p, const N: usize>(&'h [Option<&'p [String]>; N]);

impl<'a, const N: usize> DeserializeSeed<'a> for Heads<'_, '_, N> {
    type Value = [bool; N];

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Heads<'_, '_, N> {
    type Value = [bool; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.map(|path| path.and_then(<[String]>::first).is_some_and(|head| head == key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pointer(text: &str) -> Pointer {
        Pointer::try_from(text.to_owned()).unwrap()
    }

    fn get<'a>(text: &'a str, path: &str) -> Option<&'a str> {
        follow(text, [Some(&pointer(path))]).unwrap()[0].map(RawValue::get)
    }

    #[test]
    fn follows_several_in_one_go() {
        let text = r#" {"id": "a", "data": {"object": {"id": 7, "x": [1]}}, "has_more" : false} "#;
        let found = follow(
            text,
            [Some(&pointer("/id")), Some(&pointer("/data/object/id")), None, Some(&pointer("/data/no"))],
        )
        .unwrap();
        assert_eq!(found.map(|raw| raw.map(RawValue::get)), [Some("\"a\""), Some("7"), None, None]);
    }

    #[test]
    fn knows_escapes_and_equal_keys() {
        assert_eq!(get(r#"{"a/b": 1}"#, "/a~1b"), Some("1"));
        assert_eq!(get(r#"{"a": 1}"#, "/a"), Some("1"));
        assert_eq!(get(r#"{"a": 1, "a": 2}"#, "/a"), Some("2"));
        assert_eq!(get(r#"{"a": {"b": 1}, "a": 2}"#, "/a/b"), None);
        assert_eq!(pointer("/a~1b/~0").to_string(), "/a~1b/~0");
    }

    #[test]
    fn leads_through_arrays() {
        assert_eq!(get(r#"[{"code": "X"}, {"code": "Y"}]"#, "/0/code"), Some("\"X\""));
        assert_eq!(get(r#"{"a": [[1, 2], [3]]}"#, "/a/0/1"), Some("2"));
        assert_eq!(get(r#"{"a": {"0": 7}}"#, "/a/0"), Some("7"), "a member of that name");
        assert_eq!(get("[1, 2]", "/01"), None);
        assert_eq!(get("[1, 2]", "/+1"), None);
        let both = follow("[1, [2]]", [Some(&pointer("/1/0")), Some(&pointer("/0"))]).unwrap();
        assert_eq!(both.map(|raw| raw.map(RawValue::get)), [Some("2"), Some("1")]);
        assert!(follow("[1, 2", [Some(&pointer("/0"))]).is_err());
    }

    #[test]
    fn what_is_not_json_is_an_error_and_what_is_no_object_is_nothing() {
        for text in ["", "<html>", "{", r#"{"a":1}x"#, r#"{"a":1,}"#, "nul", r#"{"a":"}"#] {
            assert!(follow(text, [Some(&pointer("/a"))]).is_err(), "{text:?}");
        }
        assert_eq!(get("[1]", "/a"), None);
        assert_eq!(get("[1]", "/1"), None);
        assert_eq!(get("null", "/a"), None);
        assert!(Pointer::try_from("a".to_owned()).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_a_parsed_tree(
            keys in proptest::collection::vec("[ab]|[ab]~[ab]|é", 1..3),
            object in proptest::collection::hash_map("[ab]|[ab]~[ab]|é", proptest::collection::hash_map("[ab]|é", 0..9, 0..3), 0..4),
        ) {
            let path: String = keys.iter().map(|key| format!("/{}", key.replace('~', "~0"))).collect();
            let text = serde_json::to_string(&object).unwrap();
            let tree: serde_json::Value = serde_json::from_str(&text).unwrap();
            let ours = get(&text, &path).map(|raw| serde_json::from_str::<serde_json::Value>(raw).unwrap());
            prop_assert_eq!(ours.as_ref(), tree.pointer(&path));
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = follow(&text, [Some(&pointer("/a/b"))]);
        }
    }
}
