//! What the worker has to do, read without taking a transaction id.

use super::{Result, column, rows, statement};
use crate::secret::Sealed;
use pgrx::{JsonB, Uuid, datum::TimestampWithTimeZone, spi};
use sequin_domain::{ranges::Span, timestamp::Timestamp};
use std::{collections::HashMap, time::Duration};

/// A sync that is not paused.
pub struct Sync {
    pub id: Uuid,
    pub stream_id: Uuid,
    pub provider: String,
    pub frequency: String,
    pub rate_limit: Option<JsonB>,
    pub options: JsonB,
    pub credential_id: Uuid,
    /// Changes with the sync's settings.
    pub version: String,
    /// About so long, as months differ.
    pub max_age: Option<Duration>,
}

/// A credential that an active sync uses, that has tokens, or that somebody wants to be checked.
pub struct Credential {
    pub id: Uuid,
    pub name: String,
    pub provider: String,
    pub settings: JsonB,
    pub sealed: Sealed,
    /// Changes with what its syncs depend on, which is not the token of the hour.
    pub version: String,
    /// Until when the API has asked all that uses the credential to be silent, where that is still to come.
    pub paused_until: Option<Timestamp>,
    pub app: Option<App>,
    pub token: Option<Token>,
    /// `None` where the kinds of objects that the account has were never asked for.
    pub kinds: Option<KindList>,
}

/// How the list of the kinds of objects is known.
pub struct KindList {
    pub listed_at: Option<Timestamp>,
    /// It is to be asked for again, unless that was later.
    pub wanted_at: Timestamp,
    pub failures: u32,
    pub retry_at: Option<Timestamp>,
}

/// The application that a credential was made with.
pub struct App {
    pub id: Uuid,
    pub client_id: String,
    pub sealed: Sealed,
}

pub struct Token {
    /// The token, or what the first one is given for.
    pub sealed: Option<Sealed>,
    /// Changes with the token and with the credential.
    pub version: String,
    pub refreshed_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub renew_at: Option<Timestamp>,
    /// Class and message.
    pub failure: Option<(String, String)>,
    pub failures: u32,
    pub retry_at: Option<Timestamp>,
}

pub struct Collection {
    pub sync_id: Uuid,
    pub collection_id: String,
    pub backfilled: bool,
    pub cursor: Option<Timestamp>,
    pub polled_at: Option<Timestamp>,
    pub swept_at: Option<Timestamp>,
    pub added_at: Timestamp,
    pub deletes_cursor: Option<Timestamp>,
    pub deletes_polled_at: Option<Timestamp>,
    pub failures: u32,
    pub retry_at: Option<Timestamp>,
    /// Whether it fails because the API doesn't accept the credential.
    pub is_refused: bool,
}

pub struct Feed {
    pub sync_id: Uuid,
    pub feed: String,
    pub cursor: Option<Timestamp>,
    pub polled_at: Option<Timestamp>,
    pub failures: u32,
    pub retry_at: Option<Timestamp>,
}

/// A backfill that is not finished.
pub struct Backfill {
    pub id: Uuid,
    pub sync_id: Uuid,
    pub collection_id: String,
    pub kind: String,
    pub since: Option<Timestamp>,
    pub pages: u64,
    pub ranges: Vec<Range>,
}

/// A range of creation time of a backfill.
pub struct Range {
    pub no: i32,
    pub span: Span,
    /// Where it goes on, as JSON; `None` at the start.
    pub position: Option<String>,
    pub pages: u64,
    pub done: bool,
}

pub fn syncs() -> Result<Vec<Sync>> {
    rows(statement!("worker/syncs"), &[], |row| {
        Ok(Sync {
            id: column(row, 1)?,
            stream_id: column(row, 2)?,
            provider: column(row, 3)?,
            frequency: column(row, 4)?,
            rate_limit: row.get(5)?,
            credential_id: column(row, 6)?,
            version: column(row, 7)?,
            options: column(row, 9)?,
            max_age: row.get::<i64>(8)?.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
        })
    })
}

/// `asked`: those that somebody wants to be checked.
pub fn credentials(asked: Vec<Uuid>) -> Result<Vec<Credential>> {
    rows(statement!("worker/credentials"), &[asked.into()], |row| {
        let sealed = |ordinal| -> spi::Result<Option<Sealed>> {
            let (bytes, key_id) = (row.get(ordinal)?, row.get(ordinal + 1)?);
            Ok(bytes.zip(key_id).map(|(bytes, key_id)| Sealed { bytes, key_id }))
        };
        let app = match (row.get(9)?, row.get(10)?, sealed(11)?) {
            (Some(id), Some(client_id), Some(sealed)) => Some(App { id, client_id, sealed }),
            _ => None,
        };
        let token = match row.get::<i32>(21)? {
            None => None,
            Some(failures) => Some(Token {
                sealed: sealed(13)?,
                version: column(row, 15)?,
                refreshed_at: row.get(16)?.map(from_postgres),
                expires_at: row.get(17)?.map(from_postgres),
                renew_at: row.get(18)?.map(from_postgres),
                failure: row.get(19)?.zip(row.get(20)?),
                failures: failures.unsigned_abs(),
                retry_at: row.get(22)?.map(from_postgres),
            }),
        };
        let kinds = match row.get(24)? {
            None => None,
            Some(wanted_at) => Some(KindList {
                listed_at: row.get(23)?.map(from_postgres),
                wanted_at: from_postgres(wanted_at),
                failures: column::<i32>(row, 25)?.unsigned_abs(),
                retry_at: row.get(26)?.map(from_postgres),
            }),
        };
        Ok(Credential {
            id: column(row, 1)?,
            name: column(row, 2)?,
            provider: column(row, 3)?,
            settings: column(row, 4)?,
            sealed: Sealed { bytes: column(row, 5)?, key_id: column(row, 6)? },
            version: column(row, 7)?,
            paused_until: row.get(8)?.map(from_postgres),
            app,
            token,
            kinds,
        })
    })
}

pub fn collections() -> Result<Vec<Collection>> {
    rows(statement!("worker/collections"), &[], |row| {
        Ok(Collection {
            sync_id: column(row, 1)?,
            collection_id: column(row, 2)?,
            backfilled: column(row, 3)?,
            cursor: row.get(4)?.map(from_postgres),
            polled_at: row.get(5)?.map(from_postgres),
            swept_at: row.get(6)?.map(from_postgres),
            failures: column::<i32>(row, 7)?.unsigned_abs(),
            retry_at: row.get(8)?.map(from_postgres),
            is_refused: column(row, 9)?,
            added_at: from_postgres(column(row, 10)?),
            deletes_cursor: row.get(11)?.map(from_postgres),
            deletes_polled_at: row.get(12)?.map(from_postgres),
        })
    })
}

pub fn feeds() -> Result<Vec<Feed>> {
    rows(statement!("worker/feeds"), &[], |row| {
        Ok(Feed {
            sync_id: column(row, 1)?,
            feed: column(row, 2)?,
            cursor: row.get(3)?.map(from_postgres),
            polled_at: row.get(4)?.map(from_postgres),
            failures: column::<i32>(row, 5)?.unsigned_abs(),
            retry_at: row.get(6)?.map(from_postgres),
        })
    })
}

pub fn backfills() -> Result<Vec<Backfill>> {
    let mut backfills = rows(statement!("worker/backfills"), &[], |row| {
        Ok(Backfill {
            id: column(row, 1)?,
            sync_id: column(row, 2)?,
            collection_id: column(row, 3)?,
            kind: column(row, 4)?,
            since: row.get(5)?.map(from_postgres),
            pages: column::<i64>(row, 6)?.unsigned_abs(),
            ranges: Vec::new(),
        })
    })?;
    let mut ranges = backfill_ranges()?;
    for backfill in &mut backfills {
        backfill.ranges = ranges.remove(&backfill.id).unwrap_or_default();
    }
    Ok(backfills)
}

/// The ranges of the unfinished backfills, by backfill.
fn backfill_ranges() -> Result<HashMap<Uuid, Vec<Range>>> {
    let second = |time: Option<TimestampWithTimeZone>| time.map(|time| from_postgres(time).unix_seconds());
    let rows = rows(statement!("worker/backfill_ranges"), &[], |row| {
        let range = Range {
            no: column(row, 2)?,
            span: Span { from: second(row.get(3)?), before: second(row.get(4)?) },
            position: row.get(5)?,
            pages: column::<i64>(row, 6)?.unsigned_abs(),
            done: column(row, 7)?,
        };
        Ok((column::<Uuid>(row, 1)?, range))
    })?;
    let mut ranges: HashMap<Uuid, Vec<Range>> = HashMap::new();
    for (backfill, range) in rows {
        ranges.entry(backfill).or_default().push(range);
    }
    Ok(ranges)
}

/// The collections of a feed whose initial backfill is behind them.
pub fn feed_collections(sync_id: Uuid, feed: &str) -> Result<Vec<String>> {
    rows(statement!("worker/feed_collections"), &[sync_id.into(), feed.into()], |row| column(row, 1))
}

/// The latest time at which workers noted anything; in the future where the clock has been set back since.
pub fn last_noted() -> Result<Option<Timestamp>> {
    let noted = rows(statement!("worker/last_noted"), &[], |row| row.get(1))?;
    Ok(noted.into_iter().next().flatten().map(from_postgres))
}

/// PostgreSQL counts from the year 2000.
const EPOCH: i64 = 946_684_800_000_000;

pub(crate) fn to_postgres(time: Timestamp) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(time.unix_micros() - EPOCH).ok()
}

pub(super) fn from_postgres(time: TimestampWithTimeZone) -> Timestamp {
    let micros: i64 = time.into();
    Timestamp::from_unix_micros(micros.saturating_add(EPOCH)).unwrap_or_default()
}
