-- One sequence for all streams: within a stream its values commit in order, because each writer of the stream
-- holds the stream's lock from before it takes its first value until it has committed.
CREATE SEQUENCE sequin.updated_idx;

CREATE TABLE sequin.records (
    stream_id           uuid        NOT NULL,
    id                  uuid        NOT NULL,
    sync_id             uuid        NOT NULL,
    provider            text        NOT NULL,
    collection_id       text        NOT NULL,
    upstream_id         text        NOT NULL,
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
    parent_id           text,
    PRIMARY KEY (stream_id, id),
    CONSTRAINT records_upstream_key UNIQUE (stream_id, collection_id, upstream_id, sync_id)
);
CREATE UNIQUE INDEX records_position ON sequin.records (stream_id, updated_idx);
CREATE INDEX records_parent ON sequin.records (stream_id, collection_id, parent_id, sync_id)
    WHERE parent_id IS NOT NULL;
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
    PRIMARY KEY (stream_id, id),
    UNIQUE (sync_id, collection_id, raw_hash)
);
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

-- The upstream key of each incoming object is looked up once; what is new is inserted and what differs is updated.
-- A stream has one writer at a time, so nothing can change between the look-up and the write, and a page need not
-- pay for speculative insertion. The caller forbids sequential scans in its session: this function is called with
-- the same plans from an empty table to a huge one.
CREATE FUNCTION sequin._apply_page(
    the_stream uuid, the_sync uuid, the_provider text, the_collection text, observed timestamptz,
    ids uuid[], upstream_ids text[], datas text[], hashes uuid[], deletions boolean[],
    created timestamptz[], updated timestamptz[], parents text[],
    OUT inserted int, OUT changed int
)
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM sequin._lock_stream(the_stream);
    -- Who deletes a sync holds the same lock, so it is there until this transaction ends, or gone for good.
    IF NOT EXISTS (SELECT FROM sequin.syncs WHERE id = the_sync) THEN
        RETURN;
    END IF;

    WITH incoming AS MATERIALIZED (
        SELECT new.*,
               old.id AS old_id,
               old.observed_at <= observed
                   AND (new.updated_at IS NULL OR old.upstream_updated_at IS NULL
                        OR new.updated_at >= old.upstream_updated_at)
                   AND (old.deleted <> new.deleted
                        OR (new.data IS NOT NULL AND old.data_hash <> new.hash AND old.data <> new.data::jsonb))
                   AS differs
        FROM ROWS FROM (
                 pg_catalog.unnest(ids), pg_catalog.unnest(upstream_ids), pg_catalog.unnest(datas),
                 pg_catalog.unnest(hashes), pg_catalog.unnest(deletions), pg_catalog.unnest(created),
                 pg_catalog.unnest(updated), pg_catalog.unnest(parents)
             ) AS new (id, upstream_id, data, hash, deleted, created_at, updated_at, parent_id)
        LEFT JOIN LATERAL (
            SELECT r.id, r.observed_at, r.upstream_updated_at, r.deleted, r.data_hash, r.data
            FROM sequin.records AS r
            WHERE r.stream_id = the_stream
              AND r.sync_id = the_sync
              AND r.collection_id = the_collection
              AND r.upstream_id = new.upstream_id
            OFFSET 0
        ) AS old ON true
    ), insertion AS (
        INSERT INTO sequin.records (
            stream_id, id, sync_id, provider, collection_id, upstream_id, data, updated_idx,
            upstream_created_at, upstream_updated_at, observed_at, data_hash, parent_id
        )
        SELECT the_stream, id, the_sync, the_provider, the_collection, upstream_id, data::jsonb,
               pg_catalog.nextval('sequin.updated_idx'), created_at, updated_at, observed, hash, parent_id
        FROM incoming
        -- What is gone before it was ever stored leaves no record.
        WHERE old_id IS NULL AND NOT deleted
        RETURNING 1
    ), replacement AS (
        UPDATE sequin.records AS r
        SET data = coalesce(new.data::jsonb, r.data),
            data_hash = CASE WHEN new.data IS NULL THEN r.data_hash ELSE new.hash END,
            deleted = new.deleted,
            updated_idx = pg_catalog.nextval('sequin.updated_idx'),
            upstream_created_at = coalesce(new.created_at, r.upstream_created_at),
            upstream_updated_at = coalesce(new.updated_at, r.upstream_updated_at),
            observed_at = observed,
            parent_id = coalesce(new.parent_id, r.parent_id)
        FROM incoming AS new
        WHERE new.differs AND r.stream_id = the_stream AND r.id = new.old_id
        RETURNING 1
    )
    SELECT (SELECT pg_catalog.count(*) FROM insertion), (SELECT pg_catalog.count(*) FROM replacement)
    INTO inserted, changed;

    IF EXISTS (SELECT FROM sequin.rejected_records WHERE sync_id = the_sync AND collection_id = the_collection) THEN
        DELETE FROM sequin.rejected_records AS r
        WHERE r.sync_id = the_sync AND r.collection_id = the_collection AND r.upstream_id = ANY (upstream_ids);
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._apply_page(uuid, uuid, text, text, timestamptz, uuid[], text[], text[], uuid[], boolean[],
                                       timestamptz[], timestamptz[], text[]) IS
    'Stores the objects of one answer of an API, without repetitions: new ones are inserted, changed ones updated, '
    'unchanged ones and those observed later than "observed" left alone. The arrays have an element an object. '
    'Returns how many were inserted and changed; nulls where the sync has been deleted.';
