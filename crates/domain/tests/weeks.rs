//! Weeks at a virtual clock: outages, clocks that are set, events that come late or are kept no longer.

use proptest::prelude::*;
use sequin_domain::{feed::EventFeed, schedule::until_due, timestamp::Timestamp};
use std::{collections::HashMap, time::Duration};

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 3600;
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);
const LOOKBACK: Duration = Duration::from_secs(600);

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(second).unwrap()
}

/// What happens to a worker, and to the clock on its wall.
#[derive(Debug, Clone)]
enum Turn {
    Runs(i64),
    IsDown(i64),
    /// By an administrator, NTP, or a leap second that is repeated. Daylight saving time moves no clock: it is UTC.
    ClockIsSet(i64),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        4 => (1..3 * DAY).prop_map(Turn::Runs),
        2 => (0..2 * DAY).prop_map(Turn::IsDown),
        1 => (29 * DAY..32 * DAY).prop_map(Turn::IsDown),
        2 => prop_oneof![Just(-1), Just(1), -3600..3600i64, -40 * DAY..40 * DAY].prop_map(Turn::ClockIsSet),
    ];
    prop::collection::vec(turn, 1..30)
}

/// A poll is never more than an interval away, and polls of one life are an interval apart, whatever the clock says.
fn poll(turns: &[Turn], every: i64) -> Result<(), TestCaseError> {
    let (mut time, mut offset) = (0, 1_700_000_000);
    let mut last: Option<Timestamp> = None;
    let mut next = 0;
    for turn in turns {
        match turn {
            Turn::Runs(seconds) => {
                let end = time + seconds;
                while next <= end {
                    time = next.max(time);
                    last = last.max(Some(at(time + offset)));
                    next = time + every;
                }
                time = end;
            }
            Turn::IsDown(seconds) => {
                time += seconds;
                let wait = until_due(last, Duration::from_secs(every.unsigned_abs()), at(time + offset));
                let wait = i64::try_from(wait.as_secs()).unwrap();
                prop_assert!((0..=every).contains(&wait), "{wait} s until the next poll");
                next = time + wait;
            }
            // Within a life time is measured by a clock that nobody sets.
            Turn::ClockIsSet(by) => offset += by,
        }
        prop_assert!(next <= time + every);
    }
    Ok(())
}

/// An event of an object, and when it can be seen: it may come late.
#[derive(Debug, Clone)]
struct Event {
    occurred: i64,
    visible: i64,
    object: u8,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0..120 * DAY, 0..=600i64, 0u8..40).prop_map(|(occurred, late, object)| Event {
        occurred,
        visible: occurred + late,
        object,
    });
    prop::collection::vec(event, 0..300)
}

/// After each poll every object has been fetched since it changed, or the feed has said that it has a gap.
fn follow(turns: &[Turn], events: &[Event]) -> Result<(), TestCaseError> {
    const EPOCH: i64 = 1_700_000_000;
    let mut time = 0;
    let mut fetched: HashMap<u8, i64> = HashMap::new();
    let mut feed: EventFeed<u8> = EventFeed::starting_at(at(EPOCH), at(EPOCH), LOOKBACK);
    for turn in turns {
        let end = match turn {
            Turn::Runs(seconds) => time + seconds,
            Turn::IsDown(seconds) => {
                time += seconds;
                // What a new process knows is what was written down.
                feed = EventFeed::new(feed.cursor(), LOOKBACK);
                continue;
            }
            Turn::ClockIsSet(_) => continue,
        };
        while time < end {
            let date = at(EPOCH + time);
            if feed.has_gap(date, RETENTION) {
                // All collections are read again.
                fetched = (0..40).map(|object| (object, time)).collect();
                feed = EventFeed::starting_at(date, date, LOOKBACK);
            }
            let since = feed.since(true);
            let kept = |event: &&Event| {
                let occurred = at(EPOCH + event.occurred);
                event.visible <= time && occurred >= since && occurred >= date.minus(RETENTION)
            };
            for (number, event) in events.iter().enumerate().filter(|(_, event)| kept(event)) {
                let id = format!("{number}");
                if feed.is_new(&id) {
                    feed.take(&id, at(EPOCH + event.occurred), [event.object]);
                }
            }
            for object in feed.waiting(usize::MAX) {
                feed.fetching(&object);
                fetched.insert(object, time);
                feed.stored(&object);
            }
            feed.quiet_until(date.minus(Duration::from_secs(60)));
            feed.forget();
            for event in events.iter().filter(|event| event.visible <= time && event.occurred > 0) {
                let known = fetched.get(&event.object).copied().unwrap_or(-1);
                prop_assert!(known >= event.occurred, "{event:?} was missed at {time}");
            }
            time += 5 * MINUTE;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn polls_come_in_time_whatever_the_clock_does(turns in turns(), every in 1..2 * DAY) {
        poll(&turns, every)?;
    }

    #[test]
    fn no_event_is_missed_over_weeks(turns in turns(), events in events()) {
        follow(&turns, &events)?;
    }
}
