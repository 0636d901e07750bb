CREATE FUNCTION sequin._build_record_json(
    id uuid, stream_id uuid, sync jsonb, sync_external_id text, provider text, collection_id text, upstream_id text,
    data jsonb, deleted boolean, inserted_at timestamptz, updated_idx bigint,
    upstream_created_at timestamptz, upstream_updated_at timestamptz
) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sequin_build_record_json';
COMMENT ON FUNCTION sequin._build_record_json(uuid, uuid, jsonb, text, text, text, text, jsonb, boolean, timestamptz,
                                              bigint, timestamptz, timestamptz) IS
    'The arguments as a JSON object, times as ISO 8601 in UTC with microseconds. Ten times as fast as '
    'jsonb_build_object for a document of 1 kB, which it copies as it is.';

-- One expression without a sub-select, so that a query which calls it is planned as if it were written there.
CREATE FUNCTION sequin._record_json(record sequin.records, sync jsonb, sync_external_id text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT sequin._build_record_json(
        ($1).id, ($1).stream_id, $2, $3, ($1).provider, ($1).collection_id, ($1).upstream_id, ($1).data, ($1).deleted,
        ($1).inserted_at, ($1).updated_idx, ($1).upstream_created_at, ($1).upstream_updated_at)
$$;
COMMENT ON FUNCTION sequin._record_json(sequin.records, jsonb, text) IS
    'The record as JSON; sync and sync_external_id as in sequin._record_syncs, which a query over many records joins.';

CREATE FUNCTION sequin._sync_json(sync sequin.syncs) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT pg_catalog.jsonb_build_object('id', ($1).id, 'external_id', ($1).external_id, 'metadata', ($1).metadata)
$$;
COMMENT ON FUNCTION sequin._sync_json(sequin.syncs) IS 'What the JSON of a record says about its sync.';

CREATE VIEW sequin._record_syncs AS
SELECT s.id, s.external_id, sequin._sync_json(s) AS json
FROM sequin.syncs AS s;
COMMENT ON VIEW sequin._record_syncs IS 'What the JSON of a record says about its sync.';

CREATE FUNCTION sequin.record_json(record sequin.records) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    -- From the table, not the view: as the caller is allowed to see it.
    SELECT sequin._record_json($1, s.json, s.external_id)
    FROM (SELECT) AS always
    LEFT JOIN (SELECT s.id, s.external_id, sequin._sync_json(s) AS json FROM sequin.syncs AS s) AS s
        ON s.id OPERATOR(pg_catalog.=) ($1).sync_id
$$;
COMMENT ON FUNCTION sequin.record_json(sequin.records) IS
    'The record as JSON, as consumers receive it. Times are ISO 8601 in UTC with microseconds; "sync" is null when '
    'the sync is gone.';
