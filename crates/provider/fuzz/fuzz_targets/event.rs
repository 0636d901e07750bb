//! No event happens in the future.

#![no_main]

use http::StatusCode;
use libfuzzer_sys::fuzz_target;
use sequin_provider::{catalogue, event, pages::After};
use sequin_provider_fuzz::{BASE, Input};

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    let stripe = catalogue::find("stripe").expect("a provider that is built in");
    let feed = &stripe.feeds["events"];
    let url = event::url(&BASE, stripe, feed, None, &After::start());
    let answer = input.answer(StatusCode::OK, &url);
    if let Ok(events) = event::interpret(stripe, feed, &After::start(), &answer) {
        assert!(events.events.iter().all(|event| event.occurred_at <= events.date));
    }
});
