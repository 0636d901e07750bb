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
        FROM sequin._declared_fields(c.collection_id) AS f) AS fields,
       NULL::text AS credential
FROM sequin._declared_collections() AS c
UNION ALL
SELECT k.provider, k.collection_id, k.name, k.title, NULL, k.changes, k.deletes,
       (SELECT pg_catalog.jsonb_agg(
                   pg_catalog.jsonb_build_object('name', f.name, 'type', f.type, 'source', 'described')
                   ORDER BY f.name COLLATE pg_catalog."C"
               )
        FROM sequin._discovered AS d
        CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(d.properties), pg_catalog.unnest(d.types)) AS f (name, type)
        WHERE d.credential_id = k.credential_id AND d.collection_id = k.collection_id AND d.types IS NOT NULL),
       c.name
FROM sequin._discovered_collections() AS k
JOIN sequin._credentials AS c ON c.id = k.credential_id;
COMMENT ON VIEW sequin.collections IS
    'What can be synced of each provider. changes, deletes: how they are noticed after the backfill. fields: what is declared '
    'of the objects, or what the API has told of those of a collection that a sync brings; NULL where nothing is known. '
    'credential: of a collection that is not declared, but was discovered with this credential.';
