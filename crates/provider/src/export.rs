//! Exports: all of a collection, prepared by a job that the API does in the background.
//!
//! A walk that begins with an export asks, if it is worth it, for a job, waits for it, and reads its results in parts.
//! Where the API can't do it, the walk goes on with the list.

mod answer;
mod request;

use crate::{
    declaration::Bulk,
    listing::{Listing, Page},
    pages::After,
    position::Position,
    table::Columns,
};
use sequin_domain::{
    failure::{Failure, FailureClass},
    timestamp::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    time::{Duration, SystemTime},
};

/// So many jobs of an export may get lost.
const MOST_LOST: u8 = 3;
/// The time between two looks at a job is a share of the time that it has taken.
const SHARE: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where an export stands. It is a part of a position.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Export {
    stage: Stage,
    /// What the API says of its columns; `None` where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Columns>,
    /// How many jobs have been lost.
    #[serde(default, skip_serializing_if = "is_zero")]
    lost: u8,
}

fn is_zero(lost: &u8) -> bool {
    *lost == 0
}

/// What is to be asked next. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// How many objects are there?
    Counting,
    /// What are the columns?
    Describing,
    /// A job. `busy_since`: another one has had to end first.
    Starting { busy_since: Option<i64> },
    /// Is the job done?
    Running { job: String, requested_at: i64 },
    /// Its results.
    Reading { job: String, requested_at: i64, part: Part },
    /// Nothing but that the job goes. `ended`: it need not be aborted first. `then_list`: the list is read instead.
    Leaving { job: String, ended: bool, then_list: bool },
}

/// Where in the results.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Part {
    /// What the API gave to ask for this part.
    after: Option<String>,
    /// Behind so many rows of the part, or bytes of the file.
    at: u64,
    /// Where the file is. It is as good as a key to it, so it is not kept in the database, but asked for again.
    #[serde(skip)]
    file: Option<String>,
}

/// What there is to be known of an answer about an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// When what it shows was so, or later.
    pub observed_at: Option<SystemTime>,
    /// For how long nothing more is to be asked.
    pub pause: Option<Duration>,
    /// The job that has been started by the request.
    pub begun: Option<String>,
    /// Why the list is read instead.
    pub given_up: Option<String>,
}

impl Stage {
    fn first(bulk: &Bulk) -> Self {
        if bulk.count.is_some() { Self::Counting } else { Self::behind_counting(bulk) }
    }

    fn behind_counting(bulk: &Bulk) -> Self {
        if bulk.types.is_some() { Self::Describing } else { Self::Starting { busy_since: None } }
    }

    fn job(&self) -> Option<&str> {
        match self {
            Self::Running { job, .. } | Self::Reading { job, .. } | Self::Leaving { job, .. } => Some(job),
            Self::Counting | Self::Describing | Self::Starting { .. } => None,
        }
    }

    /// Since when it has been waited for the results.
    fn since(&self) -> Option<SystemTime> {
        let micros = match self {
            Self::Running { requested_at, .. } | Self::Reading { requested_at, .. } => Some(*requested_at),
            Self::Starting { busy_since } => *busy_since,
            Self::Counting | Self::Describing | Self::Leaving { .. } => None,
        };
        micros.and_then(Timestamp::from_unix_micros).map(SystemTime::from)
    }
}

impl Position {
    fn export(&self) -> Option<&Export> {
        match &self.reading().after {
            After::Export(export) => Some(export),
            After::Ids(_) | After::Given(_) | After::Number(..) => None,
        }
    }

    /// When the job was asked for whose results are waited for or being read: what they show was so then, or later.
    pub fn exported_at(&self) -> Option<SystemTime> {
        let stage = &self.export()?.stage;
        if matches!(stage, Stage::Starting { .. }) { None } else { stage.since() }
    }

    /// The same position where a job has been started by a request that was sent at `at`.
    pub fn begun_at(self, at: SystemTime) -> Self {
        let Some(Export { stage: Stage::Running { job, .. }, columns, lost }) = self.export() else {
            return self;
        };
        let stage = Stage::Running { job: job.clone(), requested_at: Timestamp::from(at).unix_micros() };
        let begun = Export { stage, columns: columns.clone(), lost: *lost };
        self.behind(Some(After::Export(Box::new(begun))), VecDeque::new()).unwrap_or(self)
    }
}

impl Listing {
    /// Before an export of all that the list would show; `None` where there are none of it.
    pub fn start_of_export(&self) -> Option<Position> {
        let export = Export { stage: Stage::first(self.collection.bulk.as_ref()?), columns: None, lost: 0 };
        let start = self.start()?;
        start.behind(Some(After::Export(Box::new(export))), VecDeque::new())
    }

    /// The export that the position is in.
    pub(crate) fn exporting<'a>(&'a self, position: &'a Position) -> Option<(&'a Bulk, &'a Export)> {
        self.collection.bulk.as_ref().zip(position.export())
    }

    /// Whether what is asked for at `position` is on another server, which the API's credential is not for.
    pub fn is_elsewhere(&self, position: &Position) -> bool {
        let stage = self.exporting(position).map(|(_, export)| &export.stage);
        matches!(stage, Some(Stage::Reading { part: Part { file: Some(_), .. }, .. }))
    }

    /// What to ask in order to have no job left behind, where the walk does not go on from `position`.
    pub fn farewell(&self, position: &Position) -> Option<Position> {
        let (bulk, export) = self.exporting(position)?;
        let job = export.stage.job()?.to_owned();
        let ended = !matches!(export.stage, Stage::Running { .. });
        let call = if ended { &bulk.delete } else { &bulk.abort };
        call.is_some()
            .then_some(Stage::Leaving { job, ended, then_list: false })
            .and_then(|stage| to_stage(position, export, stage))
    }

    fn behind_leaving(&self, bulk: &Bulk, export: &Export, position: &Position) -> Option<Position> {
        let Stage::Leaving { job, ended, then_list } = &export.stage else { return None };
        if !ended && bulk.delete.is_some() {
            let stage = Stage::Leaving { job: job.clone(), ended: true, then_list: *then_list };
            return to_stage(position, export, stage);
        }
        if *then_list { self.start() } else { position.behind(None, VecDeque::new()) }
    }

    /// Where the walk goes on when what was asked about an export has failed; `None` where it is to be asked again.
    ///
    /// A job that is lost is started again, but not for ever; what can't be exported is read from the list.
    pub fn past_failure(&self, position: &Position, failure: &Failure, now: SystemTime) -> Option<Page> {
        let (bulk, export) = self.exporting(position)?;
        let stage = &export.stage;
        let is_passing = match failure.class {
            // To count may be what takes too long, and would the next time too.
            FailureClass::Transient => *stage != Stage::Counting,
            class => matches!(class, FailureClass::RateLimited | FailureClass::Credential),
        };
        let is_overdue = pause(bulk, stage, now).is_err();
        let is_lost = matches!(failure.class, FailureClass::Missing | FailureClass::BadData);
        let told = Told::default();
        let (next, told) = match stage {
            _ if is_passing && !is_overdue => return None,
            Stage::Leaving { .. } => (self.behind_leaving(bulk, export, position), told),
            // It is not known, so it is taken to be worth it.
            Stage::Counting => (to_stage(position, export, Stage::behind_counting(bulk)), told),
            Stage::Starting { .. } | Stage::Running { .. } | Stage::Reading { .. }
                if !is_overdue
                    && export.lost < MOST_LOST
                    && (is_lost || matches!(stage, Stage::Reading { .. })) =>
            {
                let again = Export { lost: export.lost + 1, ..export.clone() };
                (to_stage(position, &again, Stage::Starting { busy_since: None }), told)
            }
            Stage::Describing | Stage::Starting { .. } | Stage::Running { .. } | Stage::Reading { .. } => {
                let told = Told { given_up: Some(failure.message.clone()), ..told };
                (self.given_up(bulk, export, position, is_overdue), told)
            }
        };
        Some(Page::about_export(next, told, now.into()))
    }

    /// To the list; if there is a job, by way of its end.
    fn given_up(&self, bulk: &Bulk, export: &Export, position: &Position, runs: bool) -> Option<Position> {
        let ended = !(runs && bulk.abort.is_some());
        match export.stage.job() {
            Some(job) if !ended || bulk.delete.is_some() => {
                to_stage(position, export, Stage::Leaving { job: job.to_owned(), ended, then_list: true })
            }
            _ => self.start(),
        }
    }
}

/// The position at another stage of the export.
fn to_stage(position: &Position, export: &Export, stage: Stage) -> Option<Position> {
    let export = Export { stage, ..export.clone() };
    position.behind(Some(After::Export(Box::new(export))), VecDeque::new())
}

/// Behind the last part.
fn ended(bulk: &Bulk, export: &Export, position: &Position) -> Option<Position> {
    match export.stage.job().filter(|_| bulk.delete.is_some()) {
        Some(job) => {
            to_stage(position, export, Stage::Leaving { job: job.to_owned(), ended: true, then_list: false })
        }
        None => position.behind(None, VecDeque::new()),
    }
}

/// How long to wait with the next look. Fails where there has been enough of it.
fn pause(bulk: &Bulk, stage: &Stage, now: SystemTime) -> Result<Duration, Failure> {
    let waited = stage.since().and_then(|since| now.duration_since(since).ok()).unwrap_or_default();
    if waited > bulk.patience() {
        let problem = format!("the export has taken more than {} s", bulk.patience);
        return Err(Failure::new(FailureClass::Unknown, problem));
    }
    Ok((waited / SHARE).clamp(FIRST_PAUSE, LONGEST_PAUSE))
}
