CREATE FUNCTION sequin._json_time(moment timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT pg_catalog.to_char(pg_catalog.timezone('UTC', $1), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
COMMENT ON FUNCTION sequin._json_time(timestamptz) IS 'ISO 8601 in UTC, with microseconds and Z.';

-- One expression without a sub-select, so that a query which calls it is planned as if it were written there.
CREATE FUNCTION sequin._record_json(record sequin.records, sync jsonb, sync_external_id text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT pg_catalog.jsonb_build_object(
        'id', ($1).id,
        'stream_id', ($1).stream_id,
        'sync', $2,
        'sync_external_id', $3,
        'provider', ($1).provider,
        'collection_id', ($1).collection_id,
        'upstream_id', ($1).upstream_id,
        'data', ($1).data,
        'deleted', ($1).deleted,
        'inserted_at', sequin._json_time(($1).inserted_at),
        'updated_idx', ($1).updated_idx,
        'upstream_created_at', sequin._json_time(($1).upstream_created_at),
        'upstream_updated_at', sequin._json_time(($1).upstream_updated_at)
    )
$$;
COMMENT ON FUNCTION sequin._record_json(sequin.records, jsonb, text) IS
    'The record as JSON; sync and sync_external_id as in sequin._record_syncs, which a query over many records joins.';

CREATE VIEW sequin._record_syncs AS
SELECT s.id,
       s.external_id,
       pg_catalog.jsonb_build_object('id', s.id, 'external_id', s.external_id, 'metadata', s.metadata) AS json
FROM sequin.syncs AS s;
COMMENT ON VIEW sequin._record_syncs IS 'What the JSON of a record says about its sync.';

CREATE FUNCTION sequin.record_json(record sequin.records) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT sequin._record_json($1, s.json, s.external_id)
    FROM (SELECT) AS always
    LEFT JOIN sequin._record_syncs AS s ON s.id OPERATOR(pg_catalog.=) ($1).sync_id
$$;
COMMENT ON FUNCTION sequin.record_json(sequin.records) IS
    'The record as JSON, as consumers receive it. Times are ISO 8601 in UTC with microseconds; "sync" is null when '
    'the sync is gone.';
