//! What a sync can be told of what it is to read.

use super::Declaration;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// An option of a sync: one text, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncOption {
    /// What it names, for those who write syncs.
    pub description: String,
    /// How many segments of a path a value makes: `owner/name` makes two.
    #[serde(default = "one")]
    pub segments: usize,
}

fn one() -> usize {
    1
}

/// The values of a sync's options, by their name.
pub type OptionValues = BTreeMap<String, Vec<String>>;

impl Declaration {
    /// The options of a sync as they are written: each a text, or an array of them. `Err`: which option, and what is
    /// wrong with it.
    pub fn read_options(&self, options: &Value) -> Result<OptionValues, (String, String)> {
        let options = options.as_object().into_iter().flatten();
        let texts = |value: &Value| match value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(texts) => texts.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let read = |(name, value): (&String, &Value)| {
            let refuse = |problem: String| (name.clone(), problem);
            let option =
                self.options.get(name).ok_or_else(|| refuse("there is no such option".to_owned()))?;
            let mut values = texts(value)
                .filter(|texts| !texts.is_empty())
                .ok_or_else(|| refuse("it must be a text, or an array of texts".to_owned()))?;
            for value in &values {
                option
                    .check(value)
                    .map_err(|problem| refuse(format!("{value:?} can't be one: {problem}")))?;
            }
            values.sort_unstable();
            values.dedup();
            if values.len() > MOST_VALUES {
                let problem =
                    format!("it has {} values, and {MOST_VALUES} at most can be read", values.len());
                return Err(refuse(problem));
            }
            Ok((name.clone(), values))
        };
        options.map(read).collect()
    }
}

/// The most values of an option: what is left of them is kept with each page.
const MOST_VALUES: usize = 1000;
/// The longest value, in bytes.
const LONGEST_VALUE: usize = 500;

impl SyncOption {
    /// What is wrong with a value.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let is_segment = |segment: &str| {
            !segment.is_empty() && !matches!(segment, "." | "..") && !segment.contains(char::is_control)
        };
        let segments: Vec<&str> = value.split('/').collect();
        if value.len() > LONGEST_VALUE {
            Err(format!("it has more than {LONGEST_VALUE} bytes"))
        } else if segments.len() != self.segments || !segments.into_iter().all(is_segment) {
            match self.segments {
                1 => Err("it must be a text without a slash".to_owned()),
                n => Err(format!("it must have {n} parts, with a slash in between")),
            }
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_has_so_many_values_and_no_more() {
        let stripe = crate::catalogue::find("stripe").unwrap();
        let options = [("of".to_owned(), SyncOption { description: String::new(), segments: 1 })];
        let declaration = Declaration { options: options.into(), ..Declaration::clone(stripe) };
        let read = |count: usize| {
            let values: Vec<String> = (0..count).map(|value| value.to_string()).collect();
            declaration.read_options(&serde_json::json!({"of": values}))
        };
        assert_eq!(read(MOST_VALUES).unwrap()["of"].len(), MOST_VALUES);
        assert_eq!(read(MOST_VALUES + 1).unwrap_err().0, "of");
    }

    #[test]
    fn a_value_has_as_many_segments_as_are_declared() {
        let option = |segments| SyncOption { description: String::new(), segments };
        assert!(option(1).check("acme").is_ok() && option(2).check("acme/tools").is_ok());
        for bad in ["", "a/b", ".", "..", "a\nb", &"x".repeat(501)] {
            assert!(option(1).check(bad).is_err(), "{bad:?}");
        }
        for bad in ["acme", "a/", "/b", "a/..", "a/b/c"] {
            assert!(option(2).check(bad).is_err(), "{bad:?}");
        }
    }
}
