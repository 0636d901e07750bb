//! What a walk that begins with an export knows of it.

use super::{Purpose, Walk};
use crate::worker::{
    job::{Orders, Tag, Then},
    range::Range,
    request::Question,
};
use sequin_domain::failure::Failure;
use sequin_provider::{export::Told, listing::Page};
use std::time::SystemTime;

impl Walk {
    /// Since when it waits for or reads an export: what that shows was so then, or later.
    pub fn exported_at(&self) -> Option<SystemTime> {
        match &self.purpose {
            Purpose::Backfill(backfill) => backfill.exported_at,
            Purpose::Poll(_) => None,
        }
    }

    /// The question by which the API learns that its export is of no use any more.
    pub fn farewell(&self) -> Option<Question> {
        self.ranges.iter().find_map(Range::farewell)
    }

    /// Where an export goes on whose request has failed.
    pub(super) fn past_failure(&self, tag: &Tag, failure: &Failure) -> Option<(i32, Page)> {
        let Tag::Page(no) = tag else { return None };
        let range = self.ranges.iter().find(|range| range.no() == *no)?;
        Some((*no, range.past_failure(failure)?))
    }

    /// Writes down what has become of an export.
    pub(super) fn log(&self, told: Told, orders: &mut Orders) {
        let Some(id) = self.backfill_id() else { return };
        let (event, key, word) = match (told.begun, told.given_up) {
            (Some(job), _) => ("export_started", "job", job),
            (None, Some(reason)) => ("export_given_up", "reason", reason),
            (None, None) => return,
        };
        let detail = serde_json::json!({"id": id.to_string(), key: word});
        orders.work(Then::Log { collection_id: self.collection_id(), event, detail });
    }

    /// Notes since when there has been something to be read of an export, or to be stored.
    pub(super) fn note_export(&mut self) {
        let exported_at = self.ranges.iter().find_map(Range::exported_at);
        let is_stored = !self.ranges.iter().any(Range::is_unstored);
        if let Purpose::Backfill(backfill) = &mut self.purpose
            && (exported_at.is_some() || is_stored)
        {
            backfill.exported_at = exported_at;
        }
    }
}
