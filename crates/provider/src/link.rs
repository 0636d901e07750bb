//! The header `Link` (RFC 8288, section 3).
//!
//! The crates that parse it split at commas within URLs, or take what they can't parse for an absent link: that would be
//! the end of a list that has not ended.

use http::{HeaderMap, header::LINK};

/// The target of the link whose relation is "next"; `None` where there is no such link.
pub(crate) fn next(headers: &HeaderMap) -> Result<Option<&str>, String> {
    for value in headers.get_all(LINK) {
        let malformed = || "the header Link can't be read".to_owned();
        let mut rest = value.to_str().map_err(|_| malformed())?.trim_matches([' ', '\t', ',']);
        while !rest.is_empty() {
            let (target, parameters) =
                rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or_else(malformed)?;
            let (relations, tail) = relations(parameters).ok_or_else(malformed)?;
            if relations.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next")) {
                return Ok(Some(target));
            }
            rest = tail.trim_matches([' ', '\t', ',']);
        }
    }
    Ok(None)
}

/// The value of the first parameter `rel`, without its quotes, and what follows behind the link.
fn relations(mut rest: &str) -> Option<(&str, &str)> {
    let mut relations = None;
    loop {
        rest = rest.trim_start();
        let Some(parameter) = rest.strip_prefix(';') else { break };
        let name_ends = parameter.find(['=', ';', ',']).unwrap_or(parameter.len());
        let (name, tail) = parameter.split_at(name_ends);
        let Some(value) = tail.strip_prefix('=').map(str::trim_start) else {
            rest = tail;
            continue;
        };
        let (value, tail) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at(value.find([';', ',']).unwrap_or(value.len())),
        };
        if relations.is_none() && name.trim().eq_ignore_ascii_case("rel") {
            relations = Some(value.trim());
        }
        rest = tail;
    }
    (rest.is_empty() || rest.starts_with(',')).then_some((relations.unwrap_or(""), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (LINK, value.parse().unwrap())).collect()
    }

    #[test]
    fn the_next_page_is_found() {
        for (values, expected) in [
            (&[r#"<https://a.example/x?page=2>; rel="next""#][..], Some("https://a.example/x?page=2")),
            (&[r#"</x?a=1,2&page=2>; rel=next"#], Some("/x?a=1,2&page=2")),
            (
                &[r#"<a>; rel="prev", <b>; title="x, y; rel=next"; rel="last next", <c>; rel="first""#],
                Some("b"),
            ),
            (&[r#"<a>; rel="prev""#, r#"<b> ; REL = "Next" ;x"#], Some("b")),
            (&[r#"<a>; rel="last"; rel="next""#], None),
            (&["<a>", ""], None),
            (&[], None),
        ] {
            assert_eq!(next(&headers(values)), Ok(expected), "{values:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_the_end() {
        for value in ["a; rel=next", "<a; rel=next", r#"<a>; rel="next"#, "<a> rel=next"] {
            assert!(next(&headers(&[value])).is_err(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn it_always_comes_to_an_end(value in r#"[<>;,="a-z ]{0,60}"#) {
            let _ = next(&headers(&[&value]));
        }
    }
}
