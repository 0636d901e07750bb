//! Storing what an API answered.

use super::{Result, column, execute, plan::to_postgres, rows, statement};
use pgrx::{Uuid, datum::TimestampWithTimeZone};
use sequin_domain::timestamp::Timestamp;
use sequin_provider::record::{Record, Rejected};

/// Where records belong.
#[derive(Debug, Clone)]
pub struct Place {
    pub stream_id: Uuid,
    pub sync_id: Uuid,
    pub provider: String,
    pub collection_id: String,
}

/// Stores records that were observed at the same time; how many were inserted or changed.
///
/// `None` where the sync is gone.
pub fn apply(
    place: &Place,
    observed_at: Timestamp,
    records: &[&Record],
    ids: Vec<Uuid>,
) -> Result<Option<i64>> {
    let moments = |moment: fn(&Record) -> Option<Timestamp>| -> Vec<Option<TimestampWithTimeZone>> {
        records.iter().map(|record| moment(record).and_then(to_postgres)).collect()
    };
    let upstream_ids: Vec<&str> = records.iter().map(|record| record.upstream_id.as_str()).collect();
    let data: Vec<Option<&str>> = records.iter().map(|record| record.data.as_deref()).collect();
    let hashes: Vec<Uuid> = records.iter().map(|record| Uuid::from_bytes(record.hash)).collect();
    let deletions: Vec<bool> = records.iter().map(|record| record.deleted).collect();
    let parents: Vec<Option<&str>> = records.iter().map(|record| record.parent_id.as_deref()).collect();
    let arguments = [
        place.stream_id.into(),
        place.sync_id.into(),
        place.provider.as_str().into(),
        place.collection_id.as_str().into(),
        to_postgres(observed_at).into(),
        ids.into(),
        upstream_ids.into(),
        data.into(),
        hashes.into(),
        deletions.into(),
        moments(|record| record.created_at).into(),
        moments(|record| record.updated_at).into(),
        parents.into(),
    ];
    // A SELECT takes no transaction id by itself: a page that changes nothing writes nothing.
    let applied = rows(statement!("worker/apply_page"), &arguments, |row| {
        Ok(row
            .get::<i32>(1)?
            .zip(row.get::<i32>(2)?)
            .map(|(inserted, changed)| i64::from(inserted) + i64::from(changed)))
    })?;
    Ok(applied.into_iter().next().flatten())
}

/// Sets an object aside that can't be stored.
pub fn reject(place: &Place, rejected: &Rejected) -> Result<()> {
    let arguments = [
        place.stream_id.into(),
        place.sync_id.into(),
        place.collection_id.as_str().into(),
        rejected.upstream_id.as_deref().into(),
        rejected.reason.as_str().into(),
        rejected.raw.as_slice().into(),
    ];
    execute(statement!("worker/reject"), &arguments).map(drop)
}

/// The live children of a parent that are not among `seen`.
pub fn missing_children(place: &Place, parent_id: &str, seen: Vec<String>) -> Result<Vec<String>> {
    let arguments = [
        place.stream_id.into(),
        place.sync_id.into(),
        place.collection_id.as_str().into(),
        parent_id.into(),
        seen.into(),
    ];
    rows(statement!("worker/missing_children"), &arguments, |row| column(row, 1))
}
