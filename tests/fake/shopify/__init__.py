"""Shopify's GraphQL Admin API, as its own schema and its documentation describe it.

`provider.Shopify` is the API; it needs graphql-core, which nothing else here does.
What neither the schema nor the documentation says is marked as seen or assumed where it is done.
"""
