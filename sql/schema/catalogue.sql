CREATE VIEW sequin.providers AS
SELECT name, title, documentation, base_url, credential_kinds, rate_limit, version, is_built_in, options
FROM sequin._declared_providers();
COMMENT ON VIEW sequin.providers IS 'The APIs that can be synced: those that are built in, and those that were registered. rate_limit is what the API '
    'documents; half is used by default. options: what a sync can say of what it is to read.';

CREATE VIEW sequin.collections AS
SELECT c.provider, c.collection_id, c.name, c.title, c.parent_collection_id, c.changes, c.deletes,
       (SELECT pg_catalog.jsonb_agg(
                   pg_catalog.jsonb_build_object('name', f.name, 'type', f.field_type, 'source', 'declared')
                   ORDER BY f.name COLLATE pg_catalog."C"
               )
        FROM sequin._declared_fields(c.collection_id) AS f) AS fields
FROM sequin._declared_collections() AS c;
COMMENT ON VIEW sequin.collections IS
    'What can be synced of each provider. changes, deletes: how they are noticed after the backfill. fields: what is declared '
    'of the objects; NULL where nothing is.';
