//! The providers that sequin comes with.

use crate::declaration::Declaration;
use std::sync::{Arc, LazyLock};

static BUILT_IN: LazyLock<Vec<Arc<Declaration>>> = LazyLock::new(|| {
    [
        (
            include_str!("../../../providers/github.json"),
            include_str!("../../../providers/github.fields.json"),
        ),
        (include_str!("../../../providers/hubspot.json"), "{}"),
        (include_str!("../../../providers/salesforce.json"), "{}"),
        (
            include_str!("../../../providers/stripe.json"),
            include_str!("../../../providers/stripe.fields.json"),
        ),
    ]
    .into_iter()
    .map(|(json, fields)| {
        let declaration = Declaration::parse(json).and_then(|declaration| declaration.with_fields(fields));
        Arc::new(declaration.expect("the built-in declarations are checked by a test"))
    })
    .collect()
});

/// All providers, by name.
pub fn all() -> &'static [Arc<Declaration>] {
    &BUILT_IN
}

/// The provider of this name.
pub fn find(provider: &str) -> Option<&'static Arc<Declaration>> {
    all().iter().find(|declaration| declaration.provider == provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_declarations_are_sound() {
        let stripe = find("stripe").unwrap();
        assert!(stripe.collections.len() >= 40);
        assert!(stripe.collections.iter().all(|collection| collection.fields.contains_key("id")));
        let github = find("github").unwrap();
        assert!(github.collections.len() >= 20);
        assert!(github.collections.iter().all(|collection| !collection.fields.is_empty()));
        assert!(find("hubspot").is_some_and(|hubspot| hubspot.collections.len() >= 20));
        assert!(find("salesforce").is_some_and(|salesforce| salesforce.collections.len() >= 25));
        assert!(find("nobody").is_none());
    }
}
