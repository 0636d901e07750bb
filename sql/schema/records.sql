-- One sequence for all streams: within a stream its values commit in order, because each writer of the stream
-- holds the stream's lock from before it takes its first value until it has committed.
CREATE SEQUENCE sequin.updated_idx;

CREATE TABLE sequin.records (
    stream_id           uuid        NOT NULL,
    id                  uuid        NOT NULL,
    sync_id             uuid        NOT NULL,
    provider            text        NOT NULL,
    -- Identifiers have no language: compared byte by byte they are faster, and no new locale breaks their index.
    collection_id       text        NOT NULL COLLATE "C",
    upstream_id         text        NOT NULL COLLATE "C",
    data                jsonb       NOT NULL,
    deleted             boolean     NOT NULL DEFAULT false,
    updated_idx         bigint      NOT NULL,
    inserted_at         timestamptz NOT NULL DEFAULT pg_catalog.now(),
    upstream_created_at timestamptz,
    upstream_updated_at timestamptz,
    -- When the request was sent that showed this version.
    observed_at         timestamptz NOT NULL,
    -- Half the SHA-256 of the text that "data" was read from.
    data_hash           uuid        NOT NULL,
    -- In a nested collection: the upstream_id of the parent.
    parent_id           text        COLLATE "C",
    PRIMARY KEY (stream_id, id),
    CONSTRAINT records_upstream_key UNIQUE (stream_id, collection_id, upstream_id, sync_id)
);
CREATE UNIQUE INDEX records_position ON sequin.records (stream_id, updated_idx);
CREATE INDEX records_parent ON sequin.records (stream_id, collection_id, parent_id, sync_id)
    WHERE parent_id IS NOT NULL;
-- For retention. Partial, so that no other statement of the worker can take it for the index of a sync's records.
CREATE INDEX records_age ON sequin.records (stream_id, sync_id, upstream_created_at)
    WHERE upstream_created_at IS NOT NULL;
COMMENT ON TABLE sequin.records IS
    'The records of all streams: one row an object of an API, in its latest version. Read it with plain SQL; '
    'it is written by the workers only.';
COMMENT ON COLUMN sequin.records.id IS 'Stable for the life of the record, also when it is deleted and comes back.';
COMMENT ON COLUMN sequin.records.data IS 'The object as the API gave it.';
COMMENT ON COLUMN sequin.records.updated_idx IS
    'The position in the stream: grows with each create, update and delete, in commit order.';

CREATE TABLE sequin.rejected_records (
    id            bigint      GENERATED ALWAYS AS IDENTITY,
    stream_id     uuid        NOT NULL,
    sync_id       uuid        NOT NULL REFERENCES sequin.syncs ON DELETE CASCADE,
    collection_id text        NOT NULL,
    upstream_id   text,
    reason        text        NOT NULL,
    raw           bytea       NOT NULL,
    raw_hash      bytea       NOT NULL GENERATED ALWAYS AS (pg_catalog.sha256(raw)) STORED,
    first_seen_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    retry_requested_at timestamptz,
    retry_error   text,
    PRIMARY KEY (stream_id, id),
    UNIQUE (sync_id, collection_id, raw_hash)
);
CREATE INDEX ON sequin.rejected_records (sync_id, collection_id, upstream_id);
CREATE INDEX rejected_records_to_retry ON sequin.rejected_records (sync_id, collection_id, upstream_id)
    WHERE retry_requested_at IS NOT NULL;
COMMENT ON TABLE sequin.rejected_records IS
    'Objects that could not be stored as they are, with what the API sent and the reason. A row goes when the object '
    'can be stored.';

SELECT pg_catalog.pg_extension_config_dump('sequin.updated_idx', '');
SELECT pg_catalog.pg_extension_config_dump('sequin.records', '');
SELECT pg_catalog.pg_extension_config_dump('sequin.rejected_records', '');
SELECT pg_catalog.pg_extension_config_dump('sequin.rejected_records_id_seq', '');

CREATE FUNCTION sequin._lock_stream(stream_id uuid) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('sequin.stream:' || stream_id::text, 0));
    PERFORM sequin._announce_change(stream_id);
END
$$;
COMMENT ON FUNCTION sequin._lock_stream(uuid) IS
    'Makes the transaction the only writer of the stream until it ends, and wakes who waits for the stream when it '
    'commits. Each writer of sequin.records calls it before it takes a value of sequin.updated_idx.';

-- The upstream key of each incoming object is looked up once, which sorts the page into what is new, what may have
-- changed, and what is as it was: the hash of its text says so, and nothing of it is parsed. A stream has one writer at
-- a time, so nothing can change between the look-up and the write, and a page need not pay for speculative insertion.
-- The caller forbids sequential scans and sorts in its session: the same plans serve from an empty table to a huge one.
CREATE FUNCTION sequin._apply_page(
    the_stream uuid, the_sync uuid, the_provider text, the_collection text, observed timestamptz,
    ids uuid[], upstream_ids text[], datas text[], hashes uuid[], deletions boolean[],
    created timestamptz[], updated timestamptz[], parents text[],
    OUT inserted int, OUT changed int
)
LANGUAGE plpgsql
AS $$
DECLARE
    -- What was created before the sync's max_age is not stored anew: retention has removed it, or would.
    horizon timestamptz;
    -- Positions in the arrays: of objects that are not stored, and of those that are and may differ, with their rows.
    fresh int[];
    suspects int[];
    suspect_ids uuid[];
    suspect_rows tid[];
BEGIN
    PERFORM sequin._lock_stream(the_stream);
    -- Who deletes a sync holds the same lock, so it is there until this transaction ends, or gone for good.
    SELECT pg_catalog.now() - s.max_age INTO horizon FROM sequin.syncs AS s WHERE s.id = the_sync;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    inserted := 0;
    changed := 0;

    SELECT pg_catalog.array_agg(n) FILTER (
               WHERE old.id IS NULL AND NOT deletions[n] AND coalesce(created[n] >= horizon, true)
           ),
           pg_catalog.array_agg(n) FILTER (WHERE old.id IS NOT NULL),
           pg_catalog.array_agg(old.id) FILTER (WHERE old.id IS NOT NULL),
           pg_catalog.array_agg(old.ctid) FILTER (WHERE old.id IS NOT NULL)
    INTO fresh, suspects, suspect_ids, suspect_rows
    FROM pg_catalog.unnest(upstream_ids) WITH ORDINALITY AS new (upstream_id, n)
    LEFT JOIN LATERAL (
        SELECT r.id, r.ctid, r.data_hash, r.deleted
        FROM sequin.records AS r
        WHERE r.stream_id = the_stream AND r.collection_id = the_collection
          -- Written as a range and ordered, so that of the table's indexes only that of the upstream key will do,
          -- whatever the planner thinks of a table that it has not analysed yet.
          AND r.upstream_id >= new.upstream_id AND r.upstream_id <= new.upstream_id
          AND r.sync_id = the_sync
        ORDER BY r.upstream_id
        OFFSET 0
    ) AS old ON true
    WHERE old.id IS NULL OR old.data_hash <> hashes[n] OR old.deleted <> deletions[n];

    IF fresh IS NOT NULL THEN
        INSERT INTO sequin.records (
            stream_id, id, sync_id, provider, collection_id, upstream_id, data, updated_idx,
            upstream_created_at, upstream_updated_at, observed_at, data_hash, parent_id
        )
        SELECT the_stream, ids[n], the_sync, the_provider, the_collection, upstream_ids[n], datas[n]::jsonb,
               pg_catalog.nextval('sequin.updated_idx'), created[n], updated[n], observed, hashes[n], parents[n]
        FROM pg_catalog.unnest(fresh) AS n;
        GET DIAGNOSTICS inserted = ROW_COUNT;
    END IF;

    IF suspects IS NOT NULL THEN
        UPDATE sequin.records AS r
        SET data = coalesce(new.document, r.data),
            data_hash = CASE WHEN new.document IS NULL THEN r.data_hash ELSE hashes[n] END,
            deleted = deletions[n],
            updated_idx = pg_catalog.nextval('sequin.updated_idx'),
            upstream_created_at = coalesce(created[n], r.upstream_created_at),
            upstream_updated_at = coalesce(updated[n], r.upstream_updated_at),
            observed_at = observed,
            parent_id = coalesce(parents[n], r.parent_id)
        FROM (
            SELECT n, id, place, datas[n]::jsonb AS document
            FROM ROWS FROM (
                     pg_catalog.unnest(suspects), pg_catalog.unnest(suspect_ids), pg_catalog.unnest(suspect_rows)
                 ) AS suspect (n, id, place)
            OFFSET 0
        ) AS new
        -- By its place, as an index could be one that the planner thought right for a tiny table: all of the stream's
        -- rows would be read for each object.
        WHERE r.ctid = new.place
          AND r.id = new.id
          AND r.observed_at <= observed
          AND (updated[n] IS NULL OR r.upstream_updated_at IS NULL OR updated[n] >= r.upstream_updated_at)
          AND (r.deleted <> deletions[n] OR r.data <> new.document);
        GET DIAGNOSTICS changed = ROW_COUNT;
    END IF;

    IF EXISTS (SELECT FROM sequin.rejected_records WHERE sync_id = the_sync AND collection_id = the_collection) THEN
        DELETE FROM sequin.rejected_records AS r
        WHERE r.sync_id = the_sync AND r.collection_id = the_collection AND r.upstream_id = ANY (upstream_ids);
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._apply_page(uuid, uuid, text, text, timestamptz, uuid[], text[], text[], uuid[], boolean[],
                                       timestamptz[], timestamptz[], text[]) IS
    'Stores the objects of one answer of an API, without repetitions: new ones are inserted unless they are older than '
    'the sync''s max_age, changed ones updated, unchanged ones and those observed later than "observed" left alone. '
    'The arrays have an element an object. '
    'Returns how many were inserted and changed; nulls where the sync has been deleted.';
