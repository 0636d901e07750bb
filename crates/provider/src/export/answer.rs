//! What an API answers about an export.

use super::{Export, FIRST_PAUSE, Part, Stage, Told, ended, pause, to_stage};
use crate::{
    answer::{Answer, shorten, word},
    declaration::{Bulk, ColumnTypes, FieldType, ResultFormat, Results},
    lines::Lines,
    listing::{Listing, Page},
    pieces::Piece,
    pointer,
    position::Position,
    record::{Reader, identifier},
    table::{self, ColumnType, Columns},
};
use http::{StatusCode, header::CONTENT_RANGE};
use sequin_domain::{
    failure::{Failure, FailureClass},
    timestamp::Timestamp,
};
use serde_json::value::RawValue;
use std::{collections::BTreeMap, time::Duration};
use url::Url;

/// What leads to the next part is kept in the database, and becomes a part of a URL.
const LONGEST_LOCATOR: usize = 8192;

/// What a look at a job has shown.
enum State {
    /// It is to be looked at again in so long.
    Waiting(Duration),
    /// There are no results, as there is no object.
    Empty,
    /// `file`: where they are, if they are in one.
    Ready { file: Option<String> },
}

impl Listing {
    /// What the answer at `position` says, which is one about this export.
    pub(crate) fn read_export(
        &self,
        bulk: &Bulk,
        export: &Export,
        position: &Position,
        answer: &Answer,
    ) -> Result<Page, Failure> {
        let page = |next: Option<Position>, told: Told| Page::about_export(next, told, answer.date());
        match &export.stage {
            Stage::Counting => {
                let text = answer.text(&self.collection.declaration)?;
                let count = bulk.count.as_ref().and_then(|count| word(&text, Some(&count.at)));
                let count: u64 = count
                    .and_then(|count| count.parse().ok())
                    .ok_or_else(|| answer.bad_data("it doesn't say how many objects there are"))?;
                let is_worth_it = bulk.at_least.is_none_or(|least| count >= least);
                let next = match is_worth_it {
                    true => to_stage(position, export, Stage::behind_counting(bulk)),
                    false => self.start(),
                };
                Ok(page(next, Told::default()))
            }
            Stage::Describing => {
                let columns = match &bulk.types {
                    Some(declared) => Some(self.read_columns(declared, answer)?),
                    None => None,
                };
                let described = Export { columns, ..export.clone() };
                Ok(page(
                    to_stage(position, &described, Stage::Starting { busy_since: None }),
                    Told::default(),
                ))
            }
            Stage::Starting { busy_since } => {
                let text = answer.text(&self.collection.declaration)?;
                let (stage, told) = self.read_start(bulk, *busy_since, answer, &text)?;
                Ok(page(to_stage(position, export, stage), told))
            }
            Stage::Running { job, requested_at } => {
                let (job, requested_at) = (job.clone(), *requested_at);
                match self.read_status(bulk, export, answer)? {
                    State::Waiting(pause) => {
                        let told = Told { pause: Some(pause), ..Told::default() };
                        Ok(page(Some(position.clone()), told))
                    }
                    State::Empty => Ok(page(ended(bulk, export, position), Told::default())),
                    State::Ready { file } => {
                        let part = Part { file, ..Part::default() };
                        let stage = Stage::Reading { job, requested_at, part };
                        Ok(page(to_stage(position, export, stage), Told::default()))
                    }
                }
            }
            Stage::Reading { job, requested_at, part }
                if part.file.is_none() && bulk.results.file.is_some() =>
            {
                let (job, requested_at) = (job.clone(), *requested_at);
                let next = match self.read_status(bulk, export, answer)? {
                    // Its results were there before.
                    State::Waiting(_) | State::Empty => {
                        return Err(Failure::new(
                            FailureClass::Missing,
                            "the results of the export are gone",
                        ));
                    }
                    State::Ready { file } => Part { file, ..part.clone() },
                };
                let stage = Stage::Reading { job, requested_at, part: next };
                Ok(page(to_stage(position, export, stage), Told::default()))
            }
            Stage::Reading { part, .. } => self.read_part(bulk, export, part, position, answer),
            // Whatever it says: the job has no more to give.
            Stage::Leaving { .. } => Ok(page(self.behind_leaving(bulk, export, position), Told::default())),
        }
    }

    fn read_columns(&self, declared: &ColumnTypes, answer: &Answer) -> Result<Columns, Failure> {
        let text = answer.text(&self.collection.declaration)?;
        let bad_data = |problem: String| answer.bad_data(problem);
        let [list] = pointer::follow(&text, [Some(&declared.items)])
            .map_err(|error| bad_data(format!("it is not JSON: {error}")))?;
        let items: Option<Vec<&RawValue>> = list.and_then(|list| serde_json::from_str(list.get()).ok());
        let items = items.ok_or_else(|| bad_data(format!("there is no list at {}", declared.items)))?;
        let compound = declared.compound.as_ref();
        let (mut columns, mut parts) = (Columns::default(), Vec::new());
        for item in items {
            let pointers = [
                Some(&declared.name),
                Some(&declared.column_type),
                compound.map(|compound| &compound.part_of),
            ];
            let found = pointer::follow(item.get(), pointers);
            let [name, called, part_of] = found.map_err(|error| bad_data(error.to_string()))?;
            let Some((name, called)) = name.and_then(identifier).zip(called.and_then(identifier)) else {
                return Err(bad_data("a column has no name or no type".to_owned()));
            };
            if !self.properties.is_empty() && !self.properties.contains(&name) {
                continue;
            }
            if declared.unsupported.contains(&called) {
                let problem = format!("an export can't show {name} ({called}) as the list does");
                return Err(Failure::new(FailureClass::BadRequest, problem));
            }
            if compound.is_some_and(|compound| compound.types.contains(&called)) {
                columns.compounds.insert(name, BTreeMap::new());
                continue;
            }
            parts.extend(part_of.and_then(identifier).map(|whole| (whole, name.clone())));
            let kinds = [
                (&declared.boolean, ColumnType::Boolean),
                (&declared.number, ColumnType::Number),
                (&declared.timestamp, ColumnType::Timestamp),
            ];
            let column_type = kinds.into_iter().find(|(names, _)| names.contains(&called));
            columns.types.extend(column_type.map(|(_, column_type)| (name, column_type)));
        }
        for (whole, part) in parts {
            if let Some((members, compound)) = columns.compounds.get_mut(&whole).zip(compound) {
                members.insert(compound.member(&whole, &part), part);
            }
        }
        Ok(columns)
    }

    /// What is known of the columns: what the API has told, or else what is declared of the fields.
    fn columns(&self, export: &Export) -> Columns {
        let of_field = |field_type: FieldType| match field_type {
            FieldType::Boolean => Some(ColumnType::Boolean),
            FieldType::Bigint | FieldType::DoublePrecision | FieldType::Numeric => Some(ColumnType::Number),
            FieldType::Timestamptz => Some(ColumnType::Timestamp),
            FieldType::Jsonb => Some(ColumnType::Json),
            FieldType::Text | FieldType::Date | FieldType::Uuid => None,
        };
        export.columns.clone().unwrap_or_else(|| {
            let fields = self.collection.fields.iter();
            let typed = fields.filter_map(|(name, field)| Some((name.clone(), of_field(field.field_type)?)));
            Columns { types: typed.collect(), compounds: BTreeMap::new() }
        })
    }

    fn read_start(
        &self,
        bulk: &Bulk,
        busy_since: Option<i64>,
        answer: &Answer,
        text: &str,
    ) -> Result<(Stage, Told), Failure> {
        let refusal = bulk.start.refusal.as_ref();
        let pointers = [Some(&bulk.start.job), refusal.map(|refusal| &refusal.message)];
        let [job, refused] = pointer::follow(text, pointers)
            .map_err(|error| answer.bad_data(format!("it is not JSON: {error}")))?;
        let words = refused.map(RawValue::get).filter(|json| !matches!(*json, "null" | "[]" | "\"\""));
        if let Some((refusal, words)) = refusal.zip(words) {
            if !refusal.busy.iter().any(|busy| words.contains(busy.as_str())) {
                let problem = format!("the API does not export it: {}", shorten(words));
                return Err(Failure::new(FailureClass::BadRequest, problem));
            }
            let now = Timestamp::from(answer.received_at).unix_micros();
            let since = Stage::Starting { busy_since: Some(busy_since.unwrap_or(now)) };
            let pause = pause(bulk, &since, answer.received_at)?;
            return Ok((since, Told { pause: Some(pause), ..Told::default() }));
        }
        let job = job.and_then(identifier).ok_or_else(|| answer.bad_data("it names no job"))?;
        let requested_at = Timestamp::from(answer.received_at).unix_micros();
        let told = Told { begun: Some(job.clone()), pause: Some(FIRST_PAUSE), ..Told::default() };
        Ok((Stage::Running { job, requested_at }, told))
    }

    fn read_status(&self, bulk: &Bulk, export: &Export, answer: &Answer) -> Result<State, Failure> {
        let text = answer.text(&self.collection.declaration)?;
        let status = &bulk.status;
        let Some(state) = word(&text, Some(&status.state)) else {
            return Err(answer.bad_data("it has no state of the job"));
        };
        if status.done.contains(&state) {
            let Some(pointer) = &bulk.results.file else { return Ok(State::Ready { file: None }) };
            // There is no file of nothing.
            let file = word(&text, Some(pointer)).filter(|url| !url.is_empty());
            return match file {
                None => Ok(State::Empty),
                Some(url) if Url::parse(&url).is_ok() => Ok(State::Ready { file: Some(url) }),
                Some(_) => Err(answer.bad_data(format!("there is no URL at {pointer}"))),
            };
        }
        let words = word(&text, status.message.as_ref()).map(|words| format!(": {}", shorten(&words)));
        let problem = format!("the export is {}{}", shorten(&state), words.unwrap_or_default());
        if status.failed.contains(&state) {
            return Err(Failure::new(FailureClass::BadRequest, problem));
        }
        if status.lost.contains(&state) {
            return Err(Failure::new(FailureClass::Missing, problem));
        }
        pause(bulk, &export.stage, answer.received_at).map(State::Waiting)
    }

    fn read_part(
        &self,
        bulk: &Bulk,
        export: &Export,
        part: &Part,
        position: &Position,
        answer: &Answer,
    ) -> Result<Page, Failure> {
        let reader = Reader::new(&self.collection, None);
        let (mut pieces, behind) = match bulk.results.format {
            ResultFormat::Csv => {
                answer.text(&self.collection.declaration)?;
                let utc = bulk.results.utc.as_deref();
                let read = table::read(&answer.body, part.at, &self.columns(export), utc, &reader);
                let (pieces, rows) = read.map_err(|problem| answer.bad_data(problem))?;
                let announced = bulk.results.rows.as_deref().and_then(|header| answer.header(header));
                if announced
                    .and_then(|rows| rows.parse::<u64>().ok())
                    .is_some_and(|announced| announced != rows)
                {
                    return Err(
                        answer.bad_data(format!("it has {rows} rows, and says that there are others"))
                    );
                }
                (pieces, next_part(&bulk.results, part, answer)?)
            }
            ResultFormat::JsonLines => {
                let (bytes, is_last) = in_file(answer, part.at)?;
                let are_children = self.collection.parent.is_some();
                let lines = Lines { parent: bulk.results.parent.as_deref(), are_children };
                let read = lines.read(bytes, part.at, is_last, &reader);
                let pieces = read.map_err(|problem| answer.bad_data(problem))?;
                let at = pieces.last().map_or(part.at, |piece| piece.end);
                (pieces, (!is_last).then(|| Part { at, ..part.clone() }))
            }
        };
        let to = |part: Part| {
            let Stage::Reading { job, requested_at, .. } = &export.stage else { return None };
            to_stage(position, export, Stage::Reading { job: job.clone(), requested_at: *requested_at, part })
        };
        let next = match behind {
            Some(part) => to(part),
            None => ended(bulk, export, position),
        };
        let told = Told { observed_at: position.exported_at(), ..Told::default() };
        let mut page = Page::about_export(next, told, answer.date());
        page.listed = vec![format!("{part:?}")];
        if let Some(Piece { records, rejected, .. }) = pieces.pop() {
            (page.records, page.rejected) = (records, rejected);
        }
        let ahead = pieces.into_iter().map(|piece| {
            let next = to(Part { at: piece.end, ..part.clone() });
            (piece, next)
        });
        page.ahead = ahead.filter_map(|(piece, next)| Some((piece, next?))).collect();
        Ok(page)
    }
}

/// What leads to the part behind this one.
fn next_part(results: &Results, part: &Part, answer: &Answer) -> Result<Option<Part>, Failure> {
    let Some(next) = &results.next else { return Ok(None) };
    let given = answer.header(&next.header).filter(|given| !given.is_empty());
    match given.filter(|given| next.last.as_deref() != Some(*given)) {
        None => Ok(None),
        Some(given) if given.len() > LONGEST_LOCATOR => {
            Err(answer.bad_data(format!("what leads to the next part is {} bytes long", given.len())))
        }
        Some(given) if part.after.as_deref() == Some(given) => {
            Err(answer.bad_data("the part behind this one is this one"))
        }
        Some(given) => Ok(Some(Part { after: Some(given.to_owned()), ..Part::default() })),
    }
}

/// The bytes of a file from `from` on, as far as the answer has them, and whether they are the last.
fn in_file(answer: &Answer, from: u64) -> Result<(&[u8], bool), Failure> {
    let status = answer.status;
    let fails = |class| Err(Failure::new(class, format!("the file of the export can't be read: {status}")));
    match status {
        StatusCode::PARTIAL_CONTENT => {
            let range = answer.headers.get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
            let (begin, total) = range
                .and_then(content_range)
                .ok_or_else(|| answer.bad_data("it doesn't say which part of the file it is"))?;
            if begin != from {
                return Err(answer.bad_data("it is another part of the file"));
            }
            Ok((&answer.body[..], from + answer.body.len() as u64 >= total))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => Ok((&answer.body[..0], true)),
        // Whole, whatever was asked for.
        StatusCode::OK => {
            let from = usize::try_from(from).unwrap_or(usize::MAX).min(answer.body.len());
            Ok((&answer.body[from..], true))
        }
        StatusCode::TOO_MANY_REQUESTS => fails(FailureClass::Transient),
        status if status.is_server_error() => fails(FailureClass::Transient),
        _ => fails(FailureClass::Missing),
    }
}

/// Where a part begins, and how long the whole is (RFC 9110, section 14.4).
fn content_range(header: &str) -> Option<(u64, u64)> {
    let (range, total) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
}
