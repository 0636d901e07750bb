//! Identifiers of collections: `provider:name`.

use std::fmt;

/// A collection of a provider, as users write and see it: `stripe:customer`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionId(String);

impl CollectionId {
    /// The identifier of the collection that `provider` calls `name`.
    pub fn new(provider: &str, name: &str) -> Self {
        Self(format!("{provider}:{name}"))
    }

    /// The identifier that `text` means in a sync of `provider`: the prefix may be left out.
    ///
    /// `None` where the prefix names another provider.
    pub fn in_provider(provider: &str, text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some((prefix, name)) => (prefix == provider).then(|| Self::new(provider, name)),
            None => Some(Self::new(provider, text)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name within the provider.
    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(_, name)| name)
    }
}

impl fmt::Display for CollectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_optional_but_never_wrong() {
        let customer = CollectionId::new("stripe", "customer");
        assert_eq!(CollectionId::in_provider("stripe", "customer"), Some(customer.clone()));
        assert_eq!(CollectionId::in_provider("stripe", "stripe:customer"), Some(customer.clone()));
        assert_eq!(CollectionId::in_provider("stripe", "github:issue"), None);
        assert_eq!((customer.as_str(), customer.name()), ("stripe:customer", "customer"));
    }
}
