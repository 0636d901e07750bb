-- Views of the user's own over sequin.records. They belong to whoever makes them, and read with the rights of whoever reads
-- them: what a role may see of the records, it sees of a view.

CREATE FUNCTION sequin._discovered_fields(collection_id text, stream_id uuid)
RETURNS TABLE (name text, field_type text, path text[], moment_format text, is_quoted boolean, is_id boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
-- The ends of two indexes, however large the table is and whatever the planner knows of it.
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
    SELECT f.name,
           CASE
               WHEN bool_and(f.kind = 'null') THEN 'text'
               WHEN bool_and(f.kind IN ('boolean', 'null')) THEN 'boolean'
               WHEN bool_and(f.kind = 'null' OR f.kind = 'number' AND sequin.as_bigint(f.text) IS NOT NULL) THEN 'bigint'
               WHEN bool_and(f.kind IN ('number', 'null')) THEN 'numeric'
               WHEN bool_and(f.kind = 'null' OR f.kind = 'string' AND sequin.as_timestamptz(f.text) IS NOT NULL
                             -- With a time of day, and an offset behind it.
                             AND translate(substr(f.text, 11), 'Zz+-', '') <> substr(f.text, 11)) THEN 'timestamptz'
               WHEN bool_and(f.kind IN ('string', 'null')) THEN 'text'
               ELSE 'jsonb'
           END,
           ARRAY[f.name],
           'iso8601',
           false,
           false
    FROM sequin.streams AS s
    CROSS JOIN LATERAL (
        (SELECT r.data
         FROM sequin.records AS r
         WHERE r.stream_id = s.id AND r.collection_id = $1
         ORDER BY r.upstream_id DESC
         LIMIT 1000)
        UNION ALL
        (SELECT latest.data
         FROM (SELECT r.collection_id, r.data
               FROM sequin.records AS r
               WHERE r.stream_id = s.id
               ORDER BY r.updated_idx DESC
               LIMIT 1000) AS latest
         WHERE latest.collection_id = $1)
    ) AS sample
    CROSS JOIN LATERAL (
        SELECT m.key AS name, jsonb_typeof(m.value) AS kind, m.value #>> '{}' AS text
        FROM jsonb_each(CASE jsonb_typeof(sample.data) WHEN 'object' THEN sample.data END) AS m
    ) AS f
    WHERE $2 IS NULL OR s.id = $2
    GROUP BY f.name
$$;
COMMENT ON FUNCTION sequin._discovered_fields(text, uuid) IS
    'The members of the objects in a collection, as sequin._declared_fields has those that are declared: of each stream the '
    'last 1000 by upstream_id, and those among the 1000 that have changed last. stream_id: NULL for all.';

CREATE FUNCTION sequin._column_names(fields text[], taken text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    longest CONSTANT int := 63;
    names text[] := fields;
    used text[] := taken;
    stem text;
    attempt int;
BEGIN
    -- What can be called as it is comes first, so that no other name is in its way.
    FOR n IN 1 .. cardinality(fields) LOOP
        IF octet_length(fields[n]) BETWEEN 1 AND longest AND fields[n] <> ALL (taken) THEN
            used := used || fields[n];
        ELSE
            names[n] := NULL;
        END IF;
    END LOOP;
    FOR n IN 1 .. cardinality(fields) LOOP
        CONTINUE WHEN names[n] IS NOT NULL;
        stem := left(fields[n], longest);
        WHILE octet_length(stem) > longest - 8 LOOP
            stem := left(stem, -1);
        END LOOP;
        -- From the field's own name: it is the same whatever other fields come and go.
        attempt := 0;
        LOOP
            names[n] := stem || '_' || left(md5(fields[n] || repeat(' ', attempt)), 7);
            EXIT WHEN names[n] <> ALL (used);
            attempt := attempt + 1;
        END LOOP;
        used := used || names[n];
    END LOOP;
    RETURN names;
END
$$;
COMMENT ON FUNCTION sequin._column_names(text[], text[]) IS
    'What the columns for fields of these names are called. One that is empty, longer than an identifier or taken gets the '
    'start of its MD5 behind it, and is cut to make room.';

CREATE FUNCTION sequin._field_expression(field_type text, path text[], moment_format text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_member CONSTANT boolean := cardinality(path) = 1;
    place CONSTANT text := quote_literal(CASE WHEN is_member THEN path[1] ELSE path::text END);
    in_words CONSTANT text := format('r.data %s %s', CASE WHEN is_member THEN '->>' ELSE '#>>' END, place);
BEGIN
    RETURN CASE field_type
        WHEN 'text' THEN in_words
        WHEN 'jsonb' THEN format('nullif(r.data %s %s, %L)', CASE WHEN is_member THEN '->' ELSE '#>' END, place, 'null')
        WHEN 'timestamptz' THEN format('sequin.as_timestamptz(%s, %L)', in_words, moment_format)
        ELSE format('sequin.as_%s(%s)', replace(field_type, ' ', '_'), in_words)
    END;
END
$$;
COMMENT ON FUNCTION sequin._field_expression(text, text[], text) IS
    'A field of a record r as an expression of SQL that is never an error. docs/reference.md has these expressions: users '
    'put indexes on them.';

CREATE FUNCTION sequin.create_view(
    collection text, schema text DEFAULT NULL, name text DEFAULT NULL, stream text DEFAULT NULL, sync text DEFAULT NULL,
    columns text[] DEFAULT NULL, writable boolean DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    -- A view has so many columns at most.
    most CONSTANT int := 1600;
    own CONSTANT text[] := ARRAY[
        '_id', '_stream_id', '_sync_id', '_upstream_id', '_parent_id', '_updated_idx', '_inserted_at', '_created_at', '_updated_at'
    ];
    mutation_column CONSTANT text := '_mutation_id';
    the_collection text;
    the_schema text;
    the_name text;
    target text;
    scope text := 'r.stream_id = ANY (ARRAY(SELECT s.id FROM sequin.streams AS s))';
    the_stream uuid;
    the_sync sequin.syncs;
    old pg_class;
    is_ours boolean;
    is_writable boolean;
    fields text[];
    expressions text[];
    details jsonb[];
    names text[];
    unknown_field text;
    definition text;
    plan jsonb;
    detail text;
    acl record;
BEGIN
    IF collection IS NULL THEN
        RAISE null_value_not_allowed USING
            MESSAGE = 'collection can''t be null',
            DETAIL = 'The argument collection is null.',
            HINT = 'Give the identifier of a collection, such as stripe:customer.';
    END IF;
    the_collection := sequin._collection_id(collection);
    the_schema := coalesce(schema, split_part(the_collection, ':', 1));
    the_name := coalesce(name, split_part(the_collection, ':', 2));
    target := format('%I.%I', the_schema, the_name);
    FOREACH detail IN ARRAY ARRAY[the_schema, the_name] LOOP
        IF octet_length(detail) NOT BETWEEN 1 AND 63 THEN
            RAISE invalid_parameter_value USING
                MESSAGE = 'invalid name of a schema or a view',
                DETAIL = format('It has %s bytes: %s.', octet_length(detail), quote_ident(left(detail, 50))),
                HINT = 'Give a name of 1 to 63 bytes.';
        END IF;
    END LOOP;
    IF the_schema IN ('sequin', 'information_schema') OR starts_with(the_schema, 'pg_') THEN
        RAISE reserved_name USING
            MESSAGE = format('a view of yours can''t be in the schema %I', the_schema),
            DETAIL = 'It belongs to the system, or to sequin itself.',
            HINT = 'Give another one with schema => ….';
    END IF;

    IF stream IS NOT NULL THEN
        the_stream := sequin._stream_id(stream);
        scope := format('r.stream_id = %L', the_stream);
    END IF;
    IF sync IS NOT NULL THEN
        SELECT s.* INTO the_sync FROM sequin._sync_id(sync) AS given JOIN sequin.syncs AS s ON s.id = given;
        IF the_collection <> ALL (the_sync.collections) THEN
            RAISE undefined_object USING
                MESSAGE = format('the sync has no collection %s', the_collection),
                DETAIL = format('It has %s.', array_to_string(the_sync.collections, ', ')),
                HINT = 'Name one of these, or leave sync out for the records of all syncs.';
        ELSIF the_stream <> the_sync.stream_id THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('the sync %I brings nothing into the stream %I', sync, stream),
                DETAIL = 'A sync has one stream, and this is another one.',
                HINT = 'Leave stream out: the sync tells which it is.';
        END IF;
        the_stream := the_sync.stream_id;
        scope := format('r.stream_id = %L AND r.sync_id = %L', the_stream, the_sync.id);
    END IF;

    WITH declared AS MATERIALIZED (
        SELECT d.* FROM sequin._declared_fields(the_collection) AS d
    ), described AS MATERIALIZED (
        SELECT d.*
        FROM sequin._described_fields(the_collection, the_stream, the_sync.id) AS d
        WHERE NOT EXISTS (SELECT FROM declared AS o WHERE o.name = d.name)
    )
    SELECT array_agg(f.name ORDER BY f.name COLLATE "C"),
           array_agg(
               CASE WHEN f.is_id THEN 'r.upstream_id'
                    ELSE sequin._field_expression(f.field_type, f.path, f.moment_format) END
               ORDER BY f.name COLLATE "C"
           ),
           array_agg(
               jsonb_build_object('path', f.path::text, 'type', f.field_type, 'format', f.moment_format, 'quoted', f.is_quoted)
               ORDER BY f.name COLLATE "C"
           )
    INTO fields, expressions, details
    FROM (
        SELECT d.* FROM declared AS d
        UNION ALL
        SELECT d.* FROM described AS d
        UNION ALL
        SELECT d.*
        FROM (SELECT WHERE NOT EXISTS (SELECT FROM declared) AND NOT EXISTS (SELECT FROM described)) AS unknown
        CROSS JOIN LATERAL sequin._discovered_fields(the_collection, the_stream) AS d
    ) AS f;
    names := sequin._column_names(coalesce(fields, '{}'), array_append(own, mutation_column));

    PERFORM pg_advisory_xact_lock(hashtextextended('sequin.view:' || target, 0));
    SELECT c.* INTO old
    FROM pg_class AS c
    WHERE c.relname = the_name AND c.relnamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = the_schema);
    IF old.oid IS NOT NULL THEN
        SELECT old.relkind = 'v' AND array_agg(a.attname::text) @> own INTO is_ours
        FROM pg_attribute AS a
        WHERE a.attrelid = old.oid AND a.attnum > 0;
        IF is_ours IS NOT TRUE THEN
            RAISE duplicate_object USING
                MESSAGE = format('%s exists already', target),
                DETAIL = 'It is no view that sequin.create_view has made.',
                HINT = 'Give another name with name => …, or another schema with schema => ….';
        END IF;
    END IF;
    SELECT c INTO unknown_field
    FROM unnest(columns) AS c
    WHERE coalesce(c <> ALL (coalesce(fields, '{}')), true)
    LIMIT 1;
    IF FOUND THEN
        RAISE undefined_column USING
            MESSAGE = format('%s has no field %s', the_collection, coalesce(quote_ident(left(unknown_field, 100)), 'NULL')),
            DETAIL = format('Its fields are %s.', coalesce(left(array_to_string(fields, ', '), 1000), 'not known, as there are no records')),
            HINT = 'Name some of these in columns, or leave it out for all.';
    END IF;
    is_writable := coalesce(writable, EXISTS (
        SELECT FROM pg_trigger AS t
        WHERE t.tgrelid = old.oid AND t.tgfoid = 'sequin._write_through()'::regprocedure
    ));
    IF cardinality(own) + is_writable::int + coalesce(cardinality(columns), cardinality(fields), 0) > most THEN
        RAISE too_many_columns USING
            MESSAGE = format('%s has too many fields for a view', the_collection),
            DETAIL = format('It has %s, and there can be %s.', cardinality(fields),
                            most - cardinality(own) - is_writable::int),
            HINT = 'Name those that you need in columns.';
    END IF;
    IF is_writable THEN
        plan := sequin._write_plan(
            the_collection, the_stream, the_sync.id,
            (SELECT jsonb_object_agg(f.column_name, f.detail) FROM unnest(names, details) AS f (column_name, detail)),
            ARRAY(SELECT f.column_name FROM unnest(fields, names) AS f (name, column_name)
                  WHERE columns IS NULL OR f.name = ANY (columns))
        );
    END IF;

    -- A view that is replaced keeps its columns where they are; new ones come behind.
    SELECT format(
               'VIEW %s WITH (security_invoker = true) AS SELECT r.id AS _id, r.stream_id AS _stream_id, '
               'r.sync_id AS _sync_id, r.upstream_id AS _upstream_id, r.parent_id AS _parent_id, '
               'r.updated_idx AS _updated_idx, r.inserted_at AS _inserted_at, r.upstream_created_at AS _created_at, '
               'r.upstream_updated_at AS _updated_at%s '
               'FROM sequin.records AS r WHERE %s AND r.collection_id = %L AND NOT r.deleted',
               target,
               string_agg(
                   format(', %s AS %I', f.expression, f.column_name), ''
                   ORDER BY array_position(columns, f.name), a.attnum, f.name COLLATE "C"
               ),
               scope, the_collection
           )
    INTO definition
    FROM (
        SELECT f.* FROM unnest(fields, expressions, names) AS f (name, expression, column_name)
        WHERE columns IS NULL OR f.name = ANY (columns)
        UNION ALL
        SELECT NULL, 'NULL::uuid', mutation_column WHERE is_writable
    ) AS f
    LEFT JOIN pg_attribute AS a ON a.attrelid = old.oid AND a.attname = f.column_name;

    IF NOT EXISTS (SELECT FROM pg_namespace AS n WHERE n.nspname = the_schema) THEN
        EXECUTE format('CREATE SCHEMA %I', the_schema);
    END IF;
    BEGIN
        EXECUTE 'CREATE OR REPLACE ' || definition;
    EXCEPTION WHEN invalid_table_definition THEN
        -- A column has gone, or has another type.
        BEGIN
            EXECUTE format('DROP VIEW %s', target);
        EXCEPTION WHEN dependent_objects_still_exist THEN
            GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
            RAISE dependent_objects_still_exist USING
                MESSAGE = format('%s can''t be brought up to date, as something depends on it', target),
                DETAIL = detail,
                HINT = 'A column has gone or has another type, so the view must be made anew. Drop what depends on it '
                    'first, or make another view with name => ….';
        END;
        EXECUTE 'CREATE ' || definition;
        FOR acl IN SELECT g.* FROM aclexplode(old.relacl) AS g WHERE g.grantee <> old.relowner LOOP
            EXECUTE format(
                'GRANT %s ON %s TO %s%s', acl.privilege_type, target,
                CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END,
                CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
            );
        END LOOP;
        IF old.relowner <> quote_ident(current_user)::regrole THEN
            EXECUTE format('ALTER VIEW %s OWNER TO %s', target, old.relowner::regrole);
        END IF;
    END;
    IF is_writable THEN
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER sequin_write INSTEAD OF INSERT OR UPDATE OR DELETE ON %s '
            'FOR EACH ROW EXECUTE FUNCTION sequin._write_through(%L)',
            target, plan
        );
    END IF;
    EXECUTE format(
        'COMMENT ON VIEW %s IS %L', target,
        format('The live records of %s%s%s. Made by sequin.create_view, which brings it up to date as well.%s', the_collection,
               ' of the stream ' || quote_ident(stream), ' of the sync ' || quote_ident(sync),
               CASE WHEN is_writable THEN ' What is written into it is changed at the API, by a mutation for each row.' END)
    );
    RETURN target;
END
$$;
COMMENT ON FUNCTION sequin.create_view(text, text, text, text, text, text[], boolean) IS
    'Makes a view of the live records of a collection, a column a field, or brings the one of this name up to date. The view '
    'is the caller''s, and shows to each reader what they may see of sequin.records. collection: such as stripe:customer. '
    'schema: made where it is missing; the provider''s name if not given. name: that of the collection if not given. '
    'stream, sync: only the records of these. columns: only these fields, in this order. writable: whether rows that are '
    'inserted, updated and deleted become mutations; NULL: as it has been. Returns the view''s full name. '
    'Errors: undefined_object; undefined_column; feature_not_supported where the API can''t be written to; duplicate_object for a name that something else has; '
    'dependent_objects_still_exist where a column has to go that something depends on; too_many_columns; reserved_name; '
    'invalid_parameter_value; null_value_not_allowed; insufficient_privilege.';
