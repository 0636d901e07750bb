//! A declaration is refused, or can be used.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sequin_provider::{
    declaration::{CollectionRef, Declaration},
    listing::{Listing, Position},
};
use std::sync::Arc;
use url::Url;

fuzz_target!(|data: &[u8]| {
    let Ok(json) = std::str::from_utf8(data) else { return };
    let Ok(declaration) = Declaration::parse(json) else { return };
    let declaration = Arc::new(declaration);
    let base = Url::parse(&declaration.base_url).expect("checked");
    for collection in &declaration.collections {
        let collection = CollectionRef::new(&declaration, &collection.name).expect("its own");
        let url = Listing::whole(collection).url(&base, &Position::start());
        assert_eq!(url.origin(), base.origin());
    }
});
