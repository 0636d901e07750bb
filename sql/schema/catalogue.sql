CREATE VIEW sequin.providers AS
SELECT name, title, documentation, base_url, credential_kinds, rate_limit, version, is_built_in
FROM sequin._declared_providers();
COMMENT ON VIEW sequin.providers IS 'The APIs that can be synced: those that are built in, and those that were registered. rate_limit is what the API '
    'documents; half is used by default.';

CREATE VIEW sequin.collections AS
SELECT provider, collection_id, name, title, parent_collection_id, changes, deletes
FROM sequin._declared_collections();
COMMENT ON VIEW sequin.collections IS
    'What can be synced of each provider. changes, deletes: how they are noticed after the backfill.';
