//! Tables of exports: rows of CSV as the objects that a list would show.

use crate::{
    pieces::{Piece, Pieces},
    record::{Reader, Rejected},
};
use csv::ByteRecord;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{collections::BTreeMap, str::Utf8Error};

/// What a column holds that is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    Boolean,
    Number,
    Timestamp,
    Json,
}

/// How values are read.
pub(crate) struct Columns<'a> {
    /// By name; all others are texts.
    pub(crate) types: &'a BTreeMap<String, ColumnType>,
    /// How an object has the offset of UTC, where a row has `Z`.
    pub(crate) utc: Option<&'a str>,
}

/// The objects of the rows behind the first `skipped`, and how many rows there are in all.
///
/// Fails where it is no table, or where a row has another number of values than the head.
pub(crate) fn read(
    body: &[u8],
    skipped: u64,
    columns: &Columns<'_>,
    reader: &Reader,
) -> Result<(Vec<Piece>, u64), String> {
    let unreadable = |problem: csv::Error| format!("it is no table: {problem}");
    let mut table = csv::Reader::from_reader(body);
    let head = table.byte_headers().map_err(unreadable)?;
    let keys = head.iter().map(|name| key(name, columns)).collect::<Result<Vec<Key>, String>>()?;
    if keys.is_empty() && !body.trim_ascii().is_empty() {
        return Err("it is a table without columns".into());
    }
    let (mut pieces, mut rows) = (Pieces::default(), 0);
    let mut row = ByteRecord::new();
    while table.read_byte_record(&mut row).map_err(unreadable)? {
        rows += 1;
        if rows <= skipped {
            continue;
        }
        let object = match object(&keys, &row, columns.utc) {
            Ok(json) => reader.read(&json, None),
            Err(_) => Err(Rejected {
                upstream_id: None,
                raw: row.iter().collect::<Vec<_>>().join(&b','),
                reason: "it is not valid UTF-8".into(),
            }),
        };
        pieces.add(Some(object), rows);
    }
    Ok((pieces.finish(), rows))
}

/// A column's name as it stands in an object, and what the column holds.
struct Key {
    json: String,
    column_type: Option<ColumnType>,
}

fn key(name: &[u8], columns: &Columns<'_>) -> Result<Key, String> {
    let name = str::from_utf8(name).map_err(|_| "the name of a column is not valid UTF-8")?;
    // It is a path to a field of another object, which stands in an object of its own in the list.
    if name.contains('.') {
        return Err(format!("the column {name:?} belongs to another object"));
    }
    Ok(Key { json: string(name), column_type: columns.types.get(name).copied() })
}

fn object(keys: &[Key], row: &ByteRecord, utc: Option<&str>) -> Result<String, Utf8Error> {
    let mut json = String::with_capacity(2 * row.as_slice().len() + 16 * keys.len());
    json.push('{');
    for (n, (key, value)) in keys.iter().zip(row.iter()).enumerate() {
        if n > 0 {
            json.push(',');
        }
        json.push_str(&key.json);
        json.push(':');
        push_value(&mut json, str::from_utf8(value)?, key.column_type, utc);
    }
    json.push('}');
    Ok(json)
}

/// An empty value is null: a table knows no empty text. What is not what it should be stays a text.
fn push_value(json: &mut String, value: &str, column_type: Option<ColumnType>, utc: Option<&str>) {
    match column_type {
        _ if value.is_empty() => json.push_str("null"),
        Some(ColumnType::Boolean) if value.eq_ignore_ascii_case("true") => json.push_str("true"),
        Some(ColumnType::Boolean) if value.eq_ignore_ascii_case("false") => json.push_str("false"),
        Some(ColumnType::Number) if is_number(value) => json.push_str(value),
        Some(ColumnType::Json) if is_json(value) => json.push_str(value),
        Some(ColumnType::Timestamp) => match (utc, value.strip_suffix('Z')) {
            (Some(utc), Some(time)) => json.push_str(&string(&format!("{time}{utc}"))),
            _ => json.push_str(&string(value)),
        },
        _ => json.push_str(&string(value)),
    }
}

fn is_number(value: &str) -> bool {
    value.starts_with(|first: char| first == '-' || first.is_ascii_digit()) && is_json(value)
}

fn is_json(value: &str) -> bool {
    serde_json::from_str::<&RawValue>(value).is_ok_and(|raw| raw.get() == value)
}

fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue, declaration::CollectionRef};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn types() -> BTreeMap<String, ColumnType> {
        let named = |(name, column_type): (&str, ColumnType)| (name.to_owned(), column_type);
        [
            ("flag", ColumnType::Boolean),
            ("amount", ColumnType::Number),
            ("at", ColumnType::Timestamp),
            ("more", ColumnType::Json),
        ]
        .map(named)
        .into()
    }

    fn rows(body: &[u8], skipped: u64) -> Result<(Vec<Piece>, u64), String> {
        let collection = CollectionRef::new(catalogue::find("stripe").unwrap(), "customer").unwrap();
        let columns = Columns { types: &types(), utc: Some("+0000") };
        read(body, skipped, &columns, &Reader::new(&collection, None))
    }

    fn objects(body: &[u8]) -> Vec<Value> {
        let pieces = rows(body, 0).unwrap().0;
        let data = pieces.iter().flat_map(|piece| &piece.records).filter_map(|record| record.data.as_deref());
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    #[test]
    fn a_row_is_the_object_that_a_list_shows() {
        let body = concat!(
            "\"id\",\"flag\",\"amount\",\"at\",\"more\",\"text\"\n",
            "\"a\",\"true\",\"12.50\",\"2026-01-02T03:04:05.000Z\",\"{\"\"b\"\": [1]}\",\"say \"\"hi\"\",\nÆ\"\n",
            "\"b\",\"\",\"\",\"\",\"\",\"\"\r\n",
            "\"c\",\"perhaps\",\"1 000\",\"soon\",\"{\",\"true\"\n",
        );
        assert_eq!(
            objects(body.as_bytes()),
            [
                json!({"id": "a", "flag": true, "amount": 12.5, "at": "2026-01-02T03:04:05.000+0000",
                       "more": {"b": [1]}, "text": "say \"hi\",\nÆ"}),
                json!({"id": "b", "flag": null, "amount": null, "at": null, "more": null, "text": null}),
                json!({"id": "c", "flag": "perhaps", "amount": "1 000", "at": "soon", "more": "{", "text": "true"}),
            ]
        );
    }

    #[test]
    fn what_is_no_table_is_never_taken_for_an_empty_one() {
        for body in [&b"id,a\n1\n"[..], b"id,a\n1,2,3\n", b"\n\n", b"id,\xff\n1,2\n", b"id,Owner.Name\n1,2\n"]
        {
            let read = rows(body, 0);
            assert!(read.is_err() || body == b"\n\n" && read.unwrap().0.is_empty(), "{body:?}");
        }
        assert_eq!(rows(b"", 0).unwrap().1, 0);
        assert_eq!(rows(b"\"id\"\n", 0).unwrap().1, 0);
    }

    #[test]
    fn what_can_not_be_read_does_not_stop_the_others() {
        let (pieces, rows) = rows(b"id,text\na,x\n,y\nb,\xff\nc,z\n", 0).unwrap();
        let ids: Vec<&str> = pieces[0].records.iter().map(|record| record.upstream_id.as_str()).collect();
        assert_eq!((ids, rows), (vec!["a", "c"], 4));
        let reasons: Vec<&str> = pieces[0].rejected.iter().map(|rejected| rejected.reason.as_str()).collect();
        assert!(reasons[0].contains("id") && reasons[1].contains("UTF-8"), "{reasons:?}");
        assert_eq!(pieces[0].rejected[1].raw, b"b,\xff");
    }

    #[test]
    fn a_part_is_read_in_pieces_from_where_it_was_left() {
        let body: String = std::iter::once("id".to_owned())
            .chain((0..2500).map(|n| n.to_string()))
            .collect::<Vec<_>>()
            .join("\n");
        let ends = |skipped| {
            let (pieces, rows) = rows(body.as_bytes(), skipped).unwrap();
            assert_eq!(rows, 2500);
            pieces.iter().map(|piece| (piece.records.len(), piece.end)).collect::<Vec<_>>()
        };
        assert_eq!(ends(0), [(1000, 1000), (1000, 2000), (500, 2500)]);
        assert_eq!(ends(2000), [(500, 2500)]);
        assert_eq!(ends(2500), []);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            given in proptest::collection::vec(
                (any::<bool>(), any::<i32>(), "[^\0]{0,20}", proptest::option::of("[a-z,\"\n\r]{1,9}")), 1..20,
            ),
        ) {
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            writer.write_record(["id", "flag", "amount", "text", "other"]).unwrap();
            let mut expected = Vec::new();
            for (n, (flag, amount, text, other)) in given.iter().enumerate() {
                let (id, null) = (n.to_string(), String::new());
                writer
                    .write_record([&id, &flag.to_string(), &amount.to_string(), text, other.as_ref().unwrap_or(&null)])
                    .unwrap();
                let text = Some(text).filter(|text| !text.is_empty());
                expected.push(json!({"id": id, "flag": flag, "amount": amount, "text": text, "other": other}));
            }
            prop_assert_eq!(objects(&writer.into_inner().unwrap()), expected);
        }

        #[test]
        fn nothing_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200), skipped in 0u64..3) {
            let _ = rows(&body, skipped);
        }
    }
}
