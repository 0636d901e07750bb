//! The providers that sequin comes with.

use crate::declaration::Declaration;
use std::sync::{Arc, LazyLock};

/// Documents by their names: each in a file called so.
macro_rules! documents {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../providers/shopify/", $name, ".graphql")))),*]
    };
}

const NO_DOCUMENTS: &[(&str, &str)] = &[];
const OF_SHOPIFY: &[(&str, &str)] = documents![
    "abandoned_checkout",
    "article",
    "blog",
    "bulk",
    "collection",
    "collection_metafield",
    "comment",
    "company",
    "company_location",
    "company_metafield",
    "counts",
    "customer",
    "customer_metafield",
    "deletion",
    "discount",
    "draft_order",
    "fulfillment",
    "fulfillment_order",
    "gift_card",
    "inventory_item",
    "inventory_level",
    "line_item",
    "location",
    "location_metafield",
    "market",
    "menu",
    "metaobject",
    "metaobject_definition",
    "order",
    "order_metafield",
    "page",
    "price_list",
    "product",
    "product_metafield",
    "product_variant",
    "product_variant_metafield",
    "publication",
    "refund",
    "return",
    "segment",
    "selling_plan_group",
    "shop",
    "shop_metafield",
    "theme",
    "transaction",
    "url_redirect",
];

static BUILT_IN: LazyLock<Vec<Arc<Declaration>>> = LazyLock::new(|| {
    [
        (
            include_str!("../../../providers/github.json"),
            include_str!("../../../providers/github.fields.json"),
            NO_DOCUMENTS,
        ),
        (include_str!("../../../providers/hubspot.json"), "{}", NO_DOCUMENTS),
        (include_str!("../../../providers/salesforce.json"), "{}", NO_DOCUMENTS),
        (
            include_str!("../../../providers/shopify.json"),
            include_str!("../../../providers/shopify.fields.json"),
            OF_SHOPIFY,
        ),
        (
            include_str!("../../../providers/stripe.json"),
            include_str!("../../../providers/stripe.fields.json"),
            NO_DOCUMENTS,
        ),
    ]
    .into_iter()
    .map(|(json, fields, documents)| {
        let declaration =
            Declaration::parse_with(json, documents).and_then(|declaration| declaration.with_fields(fields));
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
        let shopify = find("shopify").unwrap();
        assert!(shopify.collections.len() >= 40);
        assert!(shopify.collections.iter().all(|collection| collection.fields.contains_key("id")));
        assert!(find("nobody").is_none());
    }
}
