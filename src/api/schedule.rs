//! When an API is asked next, for the views.

use super::catalogue;
use crate::{error::Result, settings::Settings, store};
use pgrx::prelude::*;
use sequin_domain::frequency::Frequency;
use sequin_provider::declaration::CollectionRef;
use std::time::Duration;

/// The times, in seconds, between two looks at the feed that a collection listens to, between two polls and between two
/// sweeps of it; null for what it doesn't have.
#[allow(clippy::type_complexity, reason = "the columns of the function")]
#[pg_extern(name = "_check_intervals", stable, parallel_restricted)]
fn check_intervals(
    provider: &str,
    collection_id: &str,
    frequency: &str,
) -> Result<
    TableIterator<'static, (name!(feed, Option<f64>), name!(poll, Option<f64>), name!(sweep, Option<f64>))>,
> {
    let declaration = store::providers::find(provider)?;
    let declared =
        declaration.as_ref().and_then(|declaration| CollectionRef::of_id(declaration, collection_id));
    let collection = match declared {
        Some(declared) => Some(declared),
        None => catalogue::discovered(collection_id)?.pop(),
    };
    let frequency = frequency.parse().unwrap_or(Frequency::Continuous);
    let look = frequency.interval(Settings::current().poll_interval);
    let intervals = collection.map_or((None, None, None), |collection| {
        let changes = &collection.changes;
        let feed = changes.feed.is_some().then_some(look);
        let poll = changes.poll.map(|seconds| look.max(Duration::from_secs(seconds)));
        let sweep = changes.sweep.map(|seconds| frequency.interval(Duration::from_secs(seconds)));
        let seconds = |interval: Duration| interval.as_secs_f64();
        (feed.map(seconds), poll.map(seconds), sweep.map(seconds))
    });
    Ok(TableIterator::once(intervals))
}
