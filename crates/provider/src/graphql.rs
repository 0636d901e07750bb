//! Documents of GraphQL, in which operations and fragments stand.

/// One operation of a document, with all of its fragments; `None` where there is no operation of this name.
pub(crate) fn operation(document: &str, name: &str) -> Option<String> {
    let is_wanted = |head: &[&str]| matches!(head, ["query" | "mutation", named, ..] if *named == name);
    let mut is_there = false;
    let mut kept = Vec::new();
    for definition in definitions(document) {
        let words = definition.split(|c: char| c.is_whitespace() || matches!(c, '(' | '{' | '@'));
        let head: Vec<&str> = words.filter(|word| !word.is_empty()).take(2).collect();
        let is_operation = is_wanted(&head);
        is_there |= is_operation;
        if is_operation || head.first() == Some(&"fragment") {
            kept.push(definition);
        }
    }
    is_there.then(|| kept.join("\n\n"))
}

/// The definitions one by one: each ends with the brace that closes it.
fn definitions(document: &str) -> Vec<&str> {
    let (mut depth, mut begin) = (0_usize, 0);
    let (mut is_text, mut is_escaped, mut comment) = (false, false, None);
    let mut found = Vec::new();
    for (at, c) in document.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '\n' => {
                let is_before = |from: usize| document[begin..from].trim().is_empty();
                let comment = comment.take();
                // One before a definition is no part of it.
                if comment.is_some_and(is_before) {
                    begin = at;
                }
            }
            _ if comment.is_some() => {}
            '"' => is_text = !is_text,
            _ if is_text => {}
            '#' => comment = Some(at),
            '{' | '(' => depth += 1,
            '}' | ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && c == '}' {
                    found.push(document[begin..=at].trim());
                    begin = at + 1;
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "query list($first: Int = 1, $by: In = {a: \"}\"}) {
  items(first: $first) { nodes { ...Item } }
}

# A } in a comment
query export { items { edges { node { ...Item } } } }

fragment Item on Item { id name(as: \"\\\"{\") }";

    #[test]
    fn an_operation_is_taken_out_with_the_fragments() {
        let export = "query export { items { edges { node { ...Item } } } }";
        let found = operation(DOCUMENT, "export").unwrap();
        assert!(
            found.contains(export) && found.ends_with("fragment Item on Item { id name(as: \"\\\"{\") }")
        );
        assert!(!found.contains("list"));
        assert!(operation(DOCUMENT, "list").unwrap().starts_with("query list($first: Int = 1"));
        assert_eq!(operation(DOCUMENT, "Item"), None);
        assert_eq!(operation("", "list"), None);
    }
}
