-- What is written into a view of records becomes mutations, which are asked for with the rights of whoever writes. What a view
-- needs to know for that is an argument of its trigger, so that it is dumped with the view:
--   collection, and stream and sync where the view has the records of one only;
--   merges: objects are merged by an update; unset: the text that unsets a field, in place of null;
--   part: the place (an array's text) of what can be changed, in what is given;
--   fields: by column. create, update: where the field stands in what is given for that, where it can be; id: it is the
--   object's id; type, format, quoted: how it is written in JSON, where that is not as to_jsonb does it.

CREATE VIEW sequin._writable_syncs WITH (security_barrier) AS
SELECT s.id, s.name, s.stream_id, s.collections
FROM sequin.syncs AS s
WHERE (SELECT pg_catalog.pg_has_role('sequin_admin', 'USAGE'))
   OR EXISTS (SELECT FROM sequin._granted_mutations AS g WHERE g.sync_id = s.id);
COMMENT ON VIEW sequin._writable_syncs IS
    'The syncs through which the current role may have changes made: all of them for an administrator.';

CREATE FUNCTION sequin._path_within(path text[], place text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN path[:cardinality(place)] = place
             -- A number may be that of an element of an array, and no array is changed in part.
             AND NOT EXISTS (SELECT FROM unnest(path[cardinality(place) + 2:]) AS k WHERE k ~ '^[0-9]+$')
        THEN path[cardinality(place) + 1:]
    END
$$;
COMMENT ON FUNCTION sequin._path_within(text[], text[]) IS
    'The rest of a path that leads through a place; NULL where it leads elsewhere, or to the element of an array.';

CREATE FUNCTION sequin._write_plan(
    collection text, the_stream uuid, the_sync uuid, fields jsonb, shown text[]
) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    declared record;
    create_place text[];
    update_place text[];
BEGIN
    SELECT w.* INTO STRICT declared FROM sequin._declared_writes(collection) AS w;
    IF NOT declared.actions && '{create,update,delete}' THEN
        RAISE feature_not_supported USING
            MESSAGE = format('a view of %s can''t be written to', collection),
            DETAIL = format('What can be done to its objects: %s.',
                            coalesce(nullif(array_to_string(declared.actions, ', '), ''), 'nothing')),
            HINT = 'Leave writable out, or give false, for a view that is read.';
    END IF;
    -- Where no object has anything, what is given is wrapped, and nothing else.
    SELECT CASE WHEN declared.part IS NOT NULL
                  OR bool_or(p.path[:cardinality(declared.create_place)] = declared.create_place[:cardinality(p.path)])
                THEN declared.create_place ELSE '{}' END,
           CASE WHEN declared.part IS NOT NULL
                  OR bool_or(p.path[:cardinality(declared.update_place)] = declared.update_place[:cardinality(p.path)])
                THEN declared.update_place ELSE '{}' END
    INTO create_place, update_place
    FROM jsonb_each(fields) AS f
    CROSS JOIN LATERAL (SELECT (f.value ->> 'path')::text[] AS path) AS p;
    RETURN jsonb_strip_nulls(jsonb_build_object(
        'collection', collection,
        'stream', the_stream,
        'sync', the_sync,
        'merges', CASE WHEN declared.merges THEN true END,
        'unset', declared.unset,
        'part', declared.part::text,
        'fields', (
            SELECT jsonb_object_agg(f.key, jsonb_build_object(
                       'create', sequin._path_within(p.path, create_place)::text,
                       'update', CASE WHEN p.path <> declared.id_path
                                      THEN sequin._path_within(p.path, update_place)::text END,
                       'id', CASE WHEN p.path = declared.id_path THEN true END,
                       'type', CASE WHEN p.is_quoted OR f.value ->> 'type' NOT IN ('text', 'boolean', 'uuid', 'jsonb')
                                    THEN f.value ->> 'type' END,
                       'format', f.value ->> 'format',
                       'quoted', CASE WHEN p.is_quoted THEN true END
                   ))
            FROM jsonb_each(fields) AS f
            CROSS JOIN LATERAL (
                SELECT (f.value ->> 'path')::text[] AS path, (f.value ->> 'quoted')::boolean AS is_quoted
            ) AS p
            WHERE f.key = ANY (shown)
        )
    ));
END
$$;
COMMENT ON FUNCTION sequin._write_plan(text, uuid, uuid, jsonb, text[]) IS
    'What the trigger of a view of a collection needs to know. the_stream, the_sync: the only ones that are shown; NULL: all. '
    'fields: all of the collection, by the names of their columns, with path (an array''s text), type, format and quoted. '
    'shown: the columns of the view. Errors: feature_not_supported where nothing can be written.';

CREATE FUNCTION sequin._sync_to_write(plan jsonb, wanted uuid) RETURNS sequin._writable_syncs
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    found_sync sequin._writable_syncs;
    candidates sequin._writable_syncs[];
    is_admin boolean;
BEGIN
    wanted := coalesce(wanted, (plan ->> 'sync')::uuid);
    IF wanted IS NOT NULL THEN
        SELECT w.* INTO found_sync FROM sequin._writable_syncs AS w WHERE w.id = wanted;
        IF NOT FOUND THEN
            is_admin := pg_has_role('sequin_admin', 'USAGE');
            RAISE USING
                ERRCODE = CASE WHEN is_admin THEN 'undefined_object' ELSE 'insufficient_privilege' END,
                MESSAGE = format('nothing can be changed through the sync %s', wanted),
                DETAIL = 'Either there is no such sync any more, or its mutations are not granted to the current role.',
                HINT = 'An administrator grants them with sequin.grant_mutations.';
        END IF;
        IF (plan ->> 'sync')::uuid <> wanted OR (plan ->> 'stream')::uuid <> found_sync.stream_id THEN
            RAISE with_check_option_violation USING
                MESSAGE = format('the view does not show the records of the sync %I', found_sync.name),
                DETAIL = format('_sync_id is %s, and the view is one of another sync, or of another stream.', wanted),
                HINT = 'Leave _sync_id out, or write into a view that shows the records of that sync.';
        END IF;
        RETURN found_sync;
    END IF;
    SELECT array_agg(w ORDER BY w.name) INTO candidates
    FROM sequin._writable_syncs AS w
    WHERE (plan ->> 'collection') = ANY (w.collections)
      AND coalesce(w.stream_id = (plan ->> 'stream')::uuid, true);
    IF candidates IS NULL THEN
        is_admin := pg_has_role('sequin_admin', 'USAGE');
        RAISE USING
            ERRCODE = CASE WHEN is_admin THEN 'undefined_object' ELSE 'insufficient_privilege' END,
            MESSAGE = format('nothing can be inserted into %s', plan ->> 'collection'),
            DETAIL = 'No sync that the view shows has this collection and grants its mutations to the current role.',
            HINT = 'An administrator grants them with sequin.grant_mutations, and makes a sync with sequin.create_sync.';
    ELSIF cardinality(candidates) > 1 THEN
        RAISE ambiguous_parameter USING
            MESSAGE = 'several syncs could bring the new object',
            DETAIL = format('These are %s.', (SELECT string_agg(quote_ident(c.name), ', ') FROM unnest(candidates) AS c)),
            HINT = 'Insert the id of one of them as _sync_id, or make a view of one sync with sequin.create_view.';
    END IF;
    RETURN candidates[1];
END
$$;
COMMENT ON FUNCTION sequin._sync_to_write(jsonb, uuid) IS
    'The sync through which a row of a view is written. plan: the view''s. wanted: the sync of the row; NULL for a new one of '
    'which it is not said. Errors: undefined_object; insufficient_privilege; ambiguous_parameter; with_check_option_violation.';

CREATE FUNCTION sequin._json_value(column_name text, value jsonb, field jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    words CONSTANT text := value #>> '{}';
    moment timestamptz;
    utc timestamp;
    written jsonb := value;
BEGIN
    IF words IS NULL THEN
        RETURN 'null';
    END IF;
    CASE field ->> 'type'
        WHEN 'timestamptz' THEN
            moment := words::timestamptz;
            utc := moment AT TIME ZONE 'UTC';
            written := CASE
                WHEN NOT isfinite(moment) OR extract(year FROM utc) NOT BETWEEN 1 AND 9999 THEN NULL
                WHEN field ->> 'format' = 'unix_seconds' THEN to_jsonb(floor(extract(epoch FROM moment)))
                WHEN field ->> 'format' = 'unix_milliseconds' THEN to_jsonb(floor(extract(epoch FROM moment) * 1000))
                -- As the parameters of a request are written: whole seconds without a fraction.
                ELSE to_jsonb(to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS') || replace(to_char(utc, '.MS'), '.000', '') || 'Z')
            END;
        WHEN 'date' THEN
            written := CASE WHEN words ~ '^\d{4}-\d\d-\d\d$' THEN value END;
        WHEN 'boolean' THEN
            NULL;
        ELSE
            written := CASE WHEN jsonb_typeof(value) = 'number' THEN value END;
    END CASE;
    IF written IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('column %I can''t be sent to an API', column_name),
            DETAIL = format('It is %s, which can''t be written in JSON.', words),
            HINT = 'Give a finite number, or a time from the year 1 to 9999.';
    END IF;
    RETURN CASE WHEN field ? 'quoted' THEN to_jsonb(written #>> '{}') ELSE written END;
END
$$;
COMMENT ON FUNCTION sequin._json_value(text, jsonb, jsonb) IS
    'The value of a column as the API writes it. value: as to_jsonb gives it. field: of the view''s plan. '
    'Errors: invalid_parameter_value.';

CREATE FUNCTION sequin._with_member(object jsonb, path text[], value jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN object || jsonb_build_object(path[1], CASE
        WHEN cardinality(path) = 1 THEN value
        ELSE sequin._with_member(coalesce(object -> path[1], '{}'), path[2:], value)
    END);
END
$$;
COMMENT ON FUNCTION sequin._with_member(jsonb, text[], jsonb) IS
    'The object with a value at a path, which leads through objects; those that are missing are made.';

CREATE FUNCTION sequin._unset_missing(was jsonb, given jsonb, nothing jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(was) IS DISTINCT FROM 'object' OR jsonb_typeof(given) IS DISTINCT FROM 'object' THEN
        RETURN given;
    END IF;
    RETURN given || coalesce((
        SELECT jsonb_object_agg(m.key, CASE
                   WHEN given ? m.key THEN sequin._unset_missing(m.value, given -> m.key, nothing)
                   ELSE nothing
               END)
        FROM jsonb_each(was) AS m
        WHERE given ? m.key OR m.value <> 'null'
    ), '{}');
END
$$;
COMMENT ON FUNCTION sequin._unset_missing(jsonb, jsonb, jsonb) IS
    'What makes the first object the second one at an API that merges them: the second, with what unsets the members that it '
    'does not have, at any depth.';

CREATE FUNCTION sequin._changed_members(was jsonb, given jsonb, nothing jsonb) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(jsonb_object_agg(c.key, c.value), '{}')
    FROM (
        SELECT m.key, CASE WHEN m.value = 'null' THEN nothing ELSE m.value END AS value
        FROM jsonb_each(given) AS m
        WHERE m.value <> coalesce(was -> m.key, 'null')
        UNION ALL
        SELECT m.key, nothing
        FROM jsonb_each(was) AS m
        WHERE m.value <> 'null' AND NOT given ? m.key
    ) AS c
$$;
COMMENT ON FUNCTION sequin._changed_members(jsonb, jsonb, jsonb) IS
    'The members of the second object that are others than in the first one, and what unsets those that it does not have.';

CREATE FUNCTION sequin._write_through() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    plan CONSTANT jsonb := TG_ARGV[0]::jsonb;
    the_action CONSTANT text := CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END;
    nothing CONSTANT jsonb := coalesce(to_jsonb(plan ->> 'unset'), 'null');
    the_sync sequin._writable_syncs;
    new_id uuid;
    before jsonb := '{}';
    given jsonb := '{}';
    filled text[] := '{}';
    column_name text;
    column_value jsonb;
    field jsonb;
    place text[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        the_sync := sequin._sync_to_write(plan, OLD._sync_id);
        INSERT INTO sequin.mutations (sync, collection_id, action, upstream_id)
        VALUES (the_sync.name, plan ->> 'collection', the_action, OLD._upstream_id);
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        before := to_jsonb(OLD);
    END IF;
    -- What has changed; of a new row what is not null, as nobody can tell whether a null was given.
    FOR column_name, column_value IN
        SELECT m.key, m.value
        FROM jsonb_each(to_jsonb(NEW)) AS m
        WHERE m.value <> coalesce(before -> m.key, 'null')
    LOOP
        CONTINUE WHEN TG_OP = 'INSERT' AND column_name = '_sync_id';
        field := plan -> 'fields' -> column_name;
        place := (field ->> the_action)::text[];
        IF place IS NULL THEN
            RAISE feature_not_supported USING
                MESSAGE = format('column %I of the view %I.%I can''t be %s', column_name, TG_TABLE_SCHEMA, TG_TABLE_NAME,
                                 CASE TG_OP WHEN 'INSERT' THEN 'inserted' ELSE 'changed' END),
                DETAIL = CASE
                    WHEN field IS NULL THEN 'It is no field of the API''s objects.'
                    WHEN field ? 'id' THEN 'It is what the API knows the object by.'
                    ELSE 'It is no part of what the API is given, or an element of an array.'
                END,
                HINT = CASE
                    WHEN field IS NULL THEN 'Leave it out. Where it is a field by now, sequin.create_view brings the view up to date.'
                    ELSE 'Leave it out; with sequin.mutate an API is given whatever it takes.'
                END;
        END IF;
        IF cardinality(filled) > 0
           AND (given #> place IS NOT NULL
                OR EXISTS (SELECT FROM generate_series(0, cardinality(place)) AS n WHERE place[:n]::text = ANY (filled))) THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('column %I and another one can''t be written together', column_name),
                DETAIL = 'One of them is a part of the other.',
                HINT = 'Write the one that has all of it.';
        END IF;
        filled := array_append(filled, place::text);
        IF field ? 'type' THEN
            column_value := sequin._json_value(column_name, column_value, field);
        END IF;
        IF cardinality(place) = 0 THEN
            -- It is all that the API is given; of that, too, only what has changed.
            IF jsonb_typeof(column_value) <> 'object' THEN
                RAISE invalid_parameter_value USING
                    MESSAGE = format('column %I must be an object', column_name),
                    DETAIL = format('It is %s.', left(column_value::text, 200)),
                    HINT = 'Its members are the fields that the API takes.';
            END IF;
            given := sequin._changed_members(
                CASE jsonb_typeof(before -> column_name) WHEN 'object' THEN before -> column_name ELSE '{}' END,
                column_value, nothing
            );
        ELSE
            IF column_value = 'null' THEN
                column_value := nothing;
            ELSIF TG_OP = 'UPDATE' AND plan ? 'merges' THEN
                column_value := sequin._unset_missing(before -> column_name, column_value, nothing);
            END IF;
            given := sequin._with_member(given, place, column_value);
        END IF;
    END LOOP;

    IF TG_OP = 'UPDATE' AND given = '{}' THEN
        RETURN NEW;
    END IF;
    IF plan ? 'part' THEN
        given := sequin._with_member('{}', (plan ->> 'part')::text[], given);
    END IF;
    new_id := gen_random_uuid();
    IF TG_OP = 'UPDATE' THEN
        the_sync := sequin._sync_to_write(plan, OLD._sync_id);
        INSERT INTO sequin.mutations (id, sync, collection_id, action, upstream_id, data)
        VALUES (new_id, the_sync.name, plan ->> 'collection', the_action, OLD._upstream_id, given);
    ELSE
        the_sync := sequin._sync_to_write(plan, NEW._sync_id);
        INSERT INTO sequin.mutations (id, sync, collection_id, action, data)
        VALUES (new_id, the_sync.name, plan ->> 'collection', the_action, given);
        NEW._sync_id := the_sync.id;
        NEW._stream_id := the_sync.stream_id;
    END IF;
    NEW._mutation_id := new_id;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION sequin._write_through() IS
    'Has each row that is written into a view become a mutation. Its argument: see sequin._write_plan. '
    'Errors: feature_not_supported for what can''t be written, and the errors of sequin.mutate.';
