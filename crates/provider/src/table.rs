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

/// What is known of a table's columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Columns {
    /// Those that are no texts, by name.
    pub(crate) types: BTreeMap<String, ColumnType>,
    /// Values that a table has in parts only: the columns of each by the members of the object that it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) compounds: BTreeMap<String, BTreeMap<String, String>>,
}

/// The objects of the rows behind the first `skipped`, and how many rows there are in all. `utc`: how an object has the
/// offset of UTC, where a row has `Z`.
///
/// Fails where it is no table, or where a row has another number of values than the head.
pub(crate) fn read(
    body: &[u8],
    skipped: u64,
    columns: &Columns,
    utc: Option<&str>,
    reader: &Reader,
) -> Result<(Vec<Piece>, u64), String> {
    let unreadable = |problem: csv::Error| format!("it is no table: {problem}");
    let mut table = csv::Reader::from_reader(body);
    let head = Head::new(table.byte_headers().map_err(unreadable)?, columns)?;
    if head.keys.is_empty() && !body.trim_ascii().is_empty() {
        return Err("it is a table without columns".into());
    }
    let (mut pieces, mut rows) = (Pieces::default(), 0);
    let mut row = ByteRecord::new();
    while table.read_byte_record(&mut row).map_err(unreadable)? {
        rows += 1;
        if rows <= skipped {
            continue;
        }
        let object = match head.object(&row, utc) {
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

/// The head of a table.
struct Head {
    /// The columns' names as they stand in an object, and what they hold.
    keys: Vec<(String, Option<ColumnType>)>,
    /// The same of values that are in parts, and for each of their members the number of its column.
    compounds: Vec<(String, Vec<(String, usize)>)>,
}

impl Head {
    fn new(names: &ByteRecord, columns: &Columns) -> Result<Self, String> {
        let mut keys = Vec::with_capacity(names.len());
        let mut numbers = BTreeMap::new();
        for (number, name) in names.iter().enumerate() {
            let name = str::from_utf8(name).map_err(|_| "the name of a column is not valid UTF-8")?;
            // It is a path to a field of another object, which stands in an object of its own in the list.
            if name.contains('.') {
                return Err(format!("the column {name:?} belongs to another object"));
            }
            keys.push((string(name), columns.types.get(name).copied()));
            numbers.insert(name, number);
        }
        let compound = |(name, members): (&String, &BTreeMap<String, String>)| {
            let member =
                |(member, column): (&String, &String)| Some((string(member), *numbers.get(column.as_str())?));
            let members: Vec<(String, usize)> = members.iter().filter_map(member).collect();
            (string(name), members)
        };
        // One without any part in the table has not been asked for.
        let has_parts = |(_, members): &(String, Vec<(String, usize)>)| !members.is_empty();
        let compounds = columns.compounds.iter().map(compound).filter(has_parts).collect();
        Ok(Self { keys, compounds })
    }

    fn object(&self, row: &ByteRecord, utc: Option<&str>) -> Result<String, Utf8Error> {
        let mut json = String::with_capacity(2 * row.as_slice().len() + 16 * self.keys.len());
        let mut values = Vec::with_capacity(self.keys.len());
        for ((key, column_type), value) in self.keys.iter().zip(row.iter()) {
            push_key(&mut json, key);
            let begin = json.len();
            push_value(&mut json, str::from_utf8(value)?, *column_type, utc);
            values.push(begin..json.len());
        }
        for (key, members) in &self.compounds {
            let parts = members.iter().filter_map(|(member, number)| Some((member, values.get(*number)?)));
            let mut whole = String::new();
            let mut has_value = false;
            for (member, place) in parts {
                let value = &json[place.clone()];
                has_value |= value != "null";
                push_key(&mut whole, member);
                whole.push_str(value);
            }
            push_key(&mut json, key);
            if has_value {
                json.push_str(&whole);
                json.push('}');
            } else {
                json.push_str("null");
            }
        }
        json.push_str(if json.is_empty() { "{}" } else { "}" });
        Ok(json)
    }
}

/// The key of an object's next member, with all that comes before its value.
fn push_key(json: &mut String, key: &str) {
    json.push(if json.is_empty() { '{' } else { ',' });
    json.push_str(key);
    json.push(':');
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
        let address = [("city", "BillingCity"), ("latitude", "BillingLatitude"), ("street", "BillingStreet")];
        let owned = |(member, column): (&str, &str)| (member.to_owned(), column.to_owned());
        let address: BTreeMap<String, String> = address.map(owned).into();
        let columns = Columns { types: types(), compounds: [("BillingAddress".to_owned(), address)].into() };
        read(body, skipped, &columns, Some("+0000"), &Reader::new(&collection, None))
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
    fn a_value_that_is_in_parts_is_put_together() {
        let body = concat!(
            "\"id\",\"BillingCity\",\"BillingLatitude\",\"amount\"\n",
            "\"a\",\"Æ, \"\"B\"\"\",\"\",\"1\"\n",
            "\"b\",\"\",\"\",\"2\"\n",
        );
        let city = "Æ, \"B\"";
        assert_eq!(
            objects(body.as_bytes()),
            [
                json!({"id": "a", "BillingCity": city, "BillingLatitude": null, "amount": 1,
                       "BillingAddress": {"city": city, "latitude": null}}),
                json!({"id": "b", "BillingCity": null, "BillingLatitude": null, "amount": 2,
                       "BillingAddress": null}),
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
