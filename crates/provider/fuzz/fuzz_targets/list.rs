//! Whatever a page says, the list goes on at the same origin, from where it can be taken up again.

#![no_main]

use http::StatusCode;
use libfuzzer_sys::fuzz_target;
use sequin_provider::{listing::Listing, position::Position};
use sequin_provider_fuzz::{BASE, Input};

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    let listing = Listing::whole(input.collection().clone());
    let mut position = listing.start().expect("no options are needed");
    for _ in 0..3 {
        let url = listing.request(&BASE, &position).url;
        assert_eq!(url.origin(), BASE.origin());
        assert!(url.username().is_empty() && url.password().is_none());
        let Ok(page) = listing.interpret(&position, &input.answer(StatusCode::OK, &url)) else { return };
        let Some(next) = page.next else { return };
        let kept = serde_json::to_string(&next).expect("a position can be kept");
        assert_eq!(serde_json::from_str::<Position>(&kept).expect("what was kept"), next);
        position = next;
    }
});
