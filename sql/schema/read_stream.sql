CREATE FUNCTION sequin.read_stream(stream text, after bigint DEFAULT 0, "limit" int DEFAULT 1000, filter jsonb DEFAULT '{}')
RETURNS TABLE (updated_idx bigint, record jsonb)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    the_stream uuid;
    providers text[];
    sync_ids uuid[];
    collection_ids text[];
BEGIN
    IF stream IS NULL OR after IS NULL OR "limit" IS NULL OR filter IS NULL THEN
        RAISE EXCEPTION 'arguments of sequin.read_stream can''t be null'
            USING ERRCODE = 'null_value_not_allowed',
                  DETAIL = 'One of stream, after, limit and filter is null.',
                  HINT = 'Leave out what you don''t want to give: after is 0, limit 1000 and filter ''{}'' by default.';
    END IF;
    IF after < 0 THEN
        RAISE EXCEPTION 'invalid position %', after
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = 'Positions in a stream are not negative.',
                  HINT = 'Give 0 to read from the start, or the last updated_idx that you got.';
    END IF;
    IF "limit" NOT BETWEEN 1 AND 100000 THEN
        RAISE EXCEPTION 'invalid limit %', "limit"
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('It is %s.', "limit"),
                  HINT = 'Give a limit from 1 to 100000, and go on after the last updated_idx that you got.';
    END IF;
    the_stream := sequin._stream_id(stream);
    PERFORM sequin._check_filter(filter, the_stream);
    providers := sequin._filter_names(filter, 'provider');
    sync_ids := sequin._filter_syncs(sequin._filter_names(filter, 'sync'));
    collection_ids := sequin._filter_names(filter, 'collection_id');
    RETURN QUERY
    SELECT r.updated_idx, sequin.record_json(r)
    FROM sequin.records AS r
    WHERE r.stream_id = the_stream
      AND r.updated_idx > after
      AND (providers IS NULL OR r.provider = ANY (providers))
      AND (sync_ids IS NULL OR r.sync_id = ANY (sync_ids))
      AND (collection_ids IS NULL OR r.collection_id = ANY (collection_ids))
    ORDER BY r.updated_idx
    LIMIT "limit";
END
$$;
COMMENT ON FUNCTION sequin.read_stream(text, bigint, int, jsonb) IS
    'Reads a stream from a position on, oldest change first. Nothing that is committed later can have a position at or '
    'before one that was returned, so the last updated_idx is where to go on. '
    'stream: its name. after: the position to start behind. limit: how many records at most, 1 to 100000. '
    'filter: {"provider", "sync", "collection_id"}, a string or an array each; all must match. '
    'Errors: undefined_object, invalid_parameter_value, null_value_not_allowed.';
