//! What an API says when it refuses is shown in short, and obeyed for a day at most.

#![no_main]

use http::StatusCode;
use libfuzzer_sys::fuzz_target;
use sequin_provider_fuzz::{BASE, Input};
use std::time::Duration;

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    let declaration = &input.collection().declaration;
    let status = u16::try_from(300 + input.choice).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let Some(status) = status else { return };
    let answer = input.answer(status, &BASE);
    if let Err(failure) = answer.text(declaration) {
        assert!(failure.message.chars().count() < 1_200);
        assert!(!failure.message.contains(char::is_control));
        assert!(failure.retry_after.is_none_or(|wait| wait <= Duration::from_secs(86_400)));
    };
});
