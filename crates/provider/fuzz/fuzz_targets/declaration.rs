//! A declaration is refused, or can be used.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sequin_provider::{
    declaration::{CollectionRef, Declaration},
    listing::Listing,
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
        let options = declaration.options.keys().map(|name| (name.clone(), vec!["a/b".to_owned()]));
        let listing = Listing { options: Arc::new(options.collect()), ..Listing::whole(collection) };
        let position = listing.start().expect("all options are given");
        assert_eq!(listing.request(&base, &position).url.origin(), base.origin());
    }
});
