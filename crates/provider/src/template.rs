//! Text with `{names}` to be filled in: paths, parameters and headers of a declaration.

use serde::Deserialize;

/// Paths and parameters, split into literal parts and names.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Name(String),
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some((literal, tail)) = rest.split_once('{') {
            let (name, tail) =
                tail.split_once('}').ok_or_else(|| format!("{text:?} has a {{ without a }}"))?;
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Name(name.to_owned()));
            rest = tail;
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Self { parts })
    }
}

impl Template {
    /// The names that are filled in.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The text with `value` of each name; one without a value leaves nothing.
    pub fn fill<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(literal) => literal.as_str(),
                Part::Name(name) => value(name).unwrap_or_default(),
            })
            .collect()
    }

    /// The path with each value escaped, so that no id can leave its segment.
    pub fn fill_path<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> String {
        self.parts.iter().map(|part| part.escaped(&value)).collect()
    }

    /// The same where a value may be several segments, with a slash in between.
    pub fn fill_segments<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> String {
        let segments = |name: &str| {
            let value = value(name).unwrap_or_default();
            value.split('/').map(escape_segment).collect::<Vec<_>>().join("/")
        };
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(literal) => literal.clone(),
                Part::Name(name) => segments(name),
            })
            .collect()
    }

    /// Whether it is a path, which leads nowhere else than to where it is put.
    pub fn is_path(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Literal(start)) if start.starts_with('/'))
    }

    /// Whether it begins with `{name}`.
    pub fn begins_with(&self, name: &str) -> bool {
        matches!(self.parts.as_slice(), [Part::Literal(none), Part::Name(first), ..] if none.is_empty() && first == name)
    }

    /// The same for a URL: the value at its very beginning is a URL itself.
    pub fn fill_url<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> String {
        let (start, rest) = match self.parts.as_slice() {
            [Part::Literal(none), Part::Name(first), rest @ ..] if none.is_empty() => {
                (value(first).unwrap_or_default().trim_end_matches('/'), rest)
            }
            all => ("", all),
        };
        rest.iter().fold(start.to_owned(), |url, part| url + &part.escaped(&value))
    }
}

impl Part {
    fn escaped<'a>(&self, value: &impl Fn(&str) -> Option<&'a str>) -> String {
        match self {
            Self::Literal(literal) => literal.clone(),
            Self::Name(name) => escape_segment(value(name).unwrap_or_default()),
        }
    }
}

fn escape_segment(text: &str) -> String {
    match text {
        // A URL parser takes these for a step up or nothing, escaped or not.
        "." | ".." => "%00".to_owned(),
        text => text.bytes().map(escape).collect(),
    }
}

fn escape(byte: u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> Template {
        Template::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn fills_in_names() {
        let path = template("/v1/customers/{parent.id}/tax_ids");
        assert_eq!(path.names().collect::<Vec<_>>(), ["parent.id"]);
        assert_eq!(path.fill_path(|_| Some("cus_1")), "/v1/customers/cus_1/tax_ids");
        assert_eq!(template("{x}").fill(|_| Some("a b")), "a b");
        assert!(Template::try_from("/a/{b".to_owned()).is_err());
    }

    #[test]
    fn an_id_stays_in_its_segment() {
        let path = template("/v1/customers/{id}");
        assert_eq!(path.fill_path(|_| Some("../charges?x=1#y")), "/v1/customers/..%2Fcharges%3Fx%3D1%23y");
        assert_eq!(path.fill_path(|_| Some("..")), "/v1/customers/%00");
        assert_eq!(path.fill_path(|_| Some("ü")), "/v1/customers/%C3%BC");
        assert_eq!(path.fill_segments(|_| Some("a b/../c?")), "/v1/customers/a%20b/%00/c%3F");
    }

    #[test]
    fn a_url_begins_where_its_setting_says() {
        let value = |name: &str| Some(if name == "login" { "https://login.example.com/" } else { "../a@b" });
        let url = template("{login}/oauth/{of}/token");
        assert!(url.begins_with("login") && !url.begins_with("of"));
        assert_eq!(url.fill_url(value), "https://login.example.com/oauth/..%2Fa%40b/token");
        assert_eq!(
            template("https://{of}.example.com/t").fill_url(value),
            "https://..%2Fa%40b.example.com/t"
        );
    }
}
