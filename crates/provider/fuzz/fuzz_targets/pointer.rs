//! Whatever is found is a part of the text, and JSON itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sequin_provider::pointer::{self, Pointer};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((pointers, json)) = text.split_once('\n') else { return };
    let (one, other) = pointers.split_once(' ').unwrap_or((pointers, ""));
    let (one, other) = (Pointer::try_from(one.to_owned()).ok(), Pointer::try_from(other.to_owned()).ok());
    if let Ok(found) = pointer::follow(json, [one.as_ref(), other.as_ref()]) {
        let within = json.as_bytes().as_ptr_range();
        for raw in found.into_iter().flatten() {
            assert!(within.contains(&raw.get().as_ptr()));
            serde_json::from_str::<&serde_json::value::RawValue>(raw.get()).expect("JSON");
        }
    }
});
