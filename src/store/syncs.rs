//! Syncs and their collections.

use super::{Result, column, execute, first, one, rows, statement};
use pgrx::{
    JsonB, Uuid,
    datum::Interval,
    spi::{self, SpiTupleTable},
};

pub struct NewSync<'a> {
    pub id: Uuid,
    pub name: &'a str,
    pub stream_id: Uuid,
    pub credential_id: Uuid,
    pub provider: &'a str,
    pub settings: SyncSettings,
}

/// What can be changed of a sync; `None` leaves it as it is, or without.
#[derive(Default)]
pub struct SyncSettings {
    pub collections: Option<Vec<String>>,
    pub frequency: Option<String>,
    pub rate_limit: Option<JsonB>,
    pub max_age: Option<Interval>,
    pub options: Option<JsonB>,
    pub external_id: Option<String>,
    pub metadata: Option<JsonB>,
}

pub struct Sync {
    pub id: Uuid,
    pub stream_id: Uuid,
    pub provider: String,
    pub collections: Vec<String>,
    pub options: JsonB,
    pub credential_id: Uuid,
}

/// False where the name is taken.
pub fn insert(sync: NewSync<'_>) -> Result<bool> {
    let SyncSettings { collections, frequency, rate_limit, max_age, options, external_id, metadata } =
        sync.settings;
    let arguments = [
        sync.id.into(),
        sync.name.into(),
        sync.stream_id.into(),
        sync.credential_id.into(),
        sync.provider.into(),
        collections.into(),
        frequency.into(),
        rate_limit.into(),
        max_age.into(),
        options.into(),
        external_id.into(),
        metadata.into(),
    ];
    execute(statement!("syncs/insert"), &arguments).map(|inserted| inserted > 0)
}

/// The sync, locked until the transaction ends.
pub fn find(name: &str) -> Result<Option<Sync>> {
    one(statement!("syncs/find"), &[name.into()], read)
}

/// The sync, which others may change meanwhile.
pub fn look_up(name: &str) -> Result<Option<Sync>> {
    one(statement!("syncs/look_up"), &[name.into()], read)
}

fn read(row: &SpiTupleTable<'_>) -> spi::Result<Sync> {
    Ok(Sync {
        id: first(row, 1)?,
        stream_id: first(row, 2)?,
        provider: first(row, 3)?,
        collections: first(row, 4)?,
        options: first(row, 5)?,
        credential_id: first(row, 6)?,
    })
}

pub fn id(name: &str) -> Result<Option<Uuid>> {
    one(statement!("syncs/id"), &[name.into()], |row| first(row, 1))
}

pub fn names() -> Result<Vec<String>> {
    rows(statement!("syncs/names"), &[], |row| column(row, 1))
}

pub fn update(id: Uuid, settings: SyncSettings) -> Result<()> {
    let SyncSettings { collections, frequency, rate_limit, max_age, options, external_id, metadata } =
        settings;
    let arguments = [
        id.into(),
        collections.into(),
        frequency.into(),
        rate_limit.into(),
        max_age.into(),
        options.into(),
        external_id.into(),
        metadata.into(),
    ];
    execute(statement!("syncs/update"), &arguments).map(drop)
}

pub fn set_status(id: Uuid, status: &str) -> Result<()> {
    execute(statement!("syncs/set_status"), &[id.into(), status.into()]).map(drop)
}

/// Adds a collection that listens to `feed`, and asks for its initial backfill.
pub fn add_collection(sync: &Sync, collection_id: &str, feed: Option<&str>, backfill: Uuid) -> Result<()> {
    let arguments =
        [sync.stream_id.into(), sync.id.into(), collection_id.into(), feed.into(), backfill.into()];
    execute(statement!("syncs/add_collection"), &arguments).map(drop)
}

/// Takes all other collections out of the sync.
pub fn remove_collections(id: Uuid, except: &[String]) -> Result<()> {
    execute(statement!("syncs/remove_collections"), &[id.into(), except.to_vec().into()]).map(drop)
}

/// Makes the transaction the only writer of the stream.
pub fn lock_stream(stream: Uuid) -> Result<()> {
    execute(statement!("syncs/lock_stream"), &[stream.into()]).map(drop)
}

pub fn delete_records(sync: &Sync) -> Result<()> {
    execute(statement!("syncs/delete_records"), &[sync.stream_id.into(), sync.id.into()]).map(drop)
}

pub fn delete(id: Uuid) -> Result<()> {
    execute(statement!("syncs/delete"), &[id.into()]).map(drop)
}

/// Whether an interval can be the age of a record: longer than nothing, and no longer than 1000 years.
pub fn is_age(interval: Interval) -> Result<bool> {
    one(statement!("syncs/is_age"), &[interval.into()], |row| first(row, 1))
        .map(|is_age| is_age == Some(true))
}
