//! Files of exports: an object a line.

use crate::{
    pieces::{Piece, Pieces},
    record::{Reader, Record, Rejected, identifier},
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Which lines are read.
pub(crate) struct Lines<'a> {
    /// The key that names the parent in lines of children, where there are any.
    pub(crate) parent: Option<&'a str>,
    /// Children, and not what they stand beneath.
    pub(crate) are_children: bool,
}

impl Lines<'_> {
    /// The objects in a piece of a file that begins at the byte `from`. A line that is cut off is left for the next piece,
    /// unless this is the last one.
    ///
    /// Fails where there is no whole line in it.
    pub(crate) fn read(
        &self,
        bytes: &[u8],
        from: u64,
        is_last: bool,
        reader: &Reader,
    ) -> Result<Vec<Piece>, String> {
        let (mut pieces, mut rest, mut end) = (Pieces::default(), bytes, from);
        while !rest.is_empty() {
            let (line, length) = match rest.iter().position(|&byte| byte == b'\n') {
                Some(at) => (&rest[..at], at + 1),
                None if is_last => (rest, rest.len()),
                None => break,
            };
            rest = &rest[length..];
            end += length as u64;
            pieces.add(self.object(line, reader), end);
        }
        if end == from && !is_last {
            return Err(format!("a line is longer than {} bytes", bytes.len()));
        }
        Ok(pieces.finish())
    }

    /// `None` where it is none of those that are read.
    fn object(&self, line: &[u8], reader: &Reader) -> Option<Result<Record, Rejected>> {
        let reject = |reason: &str| {
            Some(Err(Rejected { upstream_id: None, raw: line.to_vec(), reason: reason.to_owned() }))
        };
        let Ok(text) = str::from_utf8(line) else { return reject("it is not valid UTF-8") };
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        // Few lines have to be taken apart.
        let key = self.parent.filter(|key| text.contains(&format!("\"{key}\"")));
        let Some(key) = key else { return (!self.are_children).then(|| reader.read(text, None)) };
        let Ok(mut members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else {
            return reject("it is no object");
        };
        let parent_id = match members.remove(key) {
            None => return (!self.are_children).then(|| reader.read(text, None)),
            Some(_) if !self.are_children => return None,
            Some(raw) => identifier(raw),
        };
        let Some(parent_id) = parent_id else { return reject("it doesn't say whose child it is") };
        match serde_json::to_string(&members) {
            Ok(json) => Some(reader.read(&json, Some(&parent_id))),
            Err(_) => reject("it is no object"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue, declaration::CollectionRef};
    use proptest::prelude::*;

    const FILE: &str = concat!(
        "{\"id\": \"p1\", \"note\": \"__parentId\"}\n",
        "{\"id\":\"c1\",\"__parentId\":\"p1\"}\n",
        "\n",
        "no JSON\n",
        "{\"id\":\"p2\"}\n",
        "{\"__parentId\":null,\"id\":\"c2\"}\n",
        "{\"id\":\"c3\",\"n\":1.50,\"__parentId\":\"p2\"}",
    );

    fn reader() -> Reader {
        Reader::new(&CollectionRef::new(catalogue::find("stripe").unwrap(), "customer").unwrap(), None)
    }

    fn ids(are_children: bool) -> (Vec<String>, usize) {
        let lines = Lines { parent: Some("__parentId"), are_children };
        let pieces = lines.read(FILE.as_bytes(), 0, true, &reader()).unwrap();
        let ids = pieces.iter().flat_map(|piece| &piece.records).map(|record| record.upstream_id.clone());
        (ids.collect(), pieces.iter().map(|piece| piece.rejected.len()).sum())
    }

    #[test]
    fn parents_and_children_are_told_apart() {
        assert_eq!(ids(false), (vec!["p1".to_owned(), "p2".to_owned()], 1));
        assert_eq!(ids(true), (vec!["c1".to_owned(), "c3".to_owned()], 1));
        let lines = Lines { parent: Some("__parentId"), are_children: true };
        let pieces = lines.read(FILE.as_bytes(), 0, true, &reader()).unwrap();
        let last = pieces[0].records.last().unwrap();
        assert_eq!(last.parent_id.as_deref(), Some("p2"));
        assert_eq!(
            last.data.as_deref(),
            Some("{\"id\":\"c3\",\"n\":1.50}"),
            "as the list of children shows it"
        );
    }

    #[test]
    fn a_line_that_is_cut_off_is_left_for_the_next_piece() {
        let lines = Lines { parent: None, are_children: false };
        let pieces = lines.read(b"{\"id\":\"a\"}\n{\"id\":", 100, false, &reader()).unwrap();
        assert_eq!((pieces.len(), pieces[0].end, pieces[0].rejected.len()), (1, 111, 0));
        assert!(lines.read(b"{\"id\":", 0, false, &reader()).is_err());
        assert!(lines.read(b"", 7, true, &reader()).unwrap().is_empty());
    }

    proptest! {
        /// Wherever a file is cut, each object is read once.
        #[test]
        fn nothing_is_lost_where_it_is_cut(size in 60usize..400) {
            let file: String = (0..50).map(|n| format!("{{\"id\":\"{n}\",\"x\":\"{}\"}}\n", "é".repeat(n % 20))).collect();
            let lines = Lines { parent: None, are_children: false };
            let (mut from, mut found) = (0, Vec::new());
            while from < file.len() {
                let piece = &file.as_bytes()[from..(from + size).min(file.len())];
                let is_last = from + piece.len() == file.len();
                let pieces = lines.read(piece, from as u64, is_last, &reader()).unwrap();
                from = usize::try_from(pieces.last().unwrap().end).unwrap();
                found.extend(pieces.into_iter().flat_map(|piece| piece.records).map(|record| record.upstream_id));
            }
            prop_assert_eq!(found, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
        }

        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), is_last in any::<bool>()) {
            let lines = Lines { parent: Some("a"), are_children: is_last };
            let _ = lines.read(&bytes, 3, is_last, &reader());
        }
    }
}
