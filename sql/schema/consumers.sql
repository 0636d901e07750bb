-- What a consumer still has to see is nowhere a row a record. Each position of the stream is, for each consumer, in
-- exactly one of these places: beyond its tail, in a range, in a lease, in a retry, a dead letter, or done. A position
-- belongs to one version of one record; a version that is superseded is gone from sequin.records, and whatever still
-- points at its position points at nothing. docs/ARCHITECTURE.md tells how sessions share the work.

CREATE TABLE sequin.consumers (
    id              uuid        PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
    -- What the tables below call the consumer: short, and never used again.
    no              int         NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,
    name            text        NOT NULL UNIQUE,
    stream_id       uuid        NOT NULL REFERENCES sequin.streams ON DELETE CASCADE,
    filter          jsonb       NOT NULL DEFAULT '{}',
    -- The filter, taken apart; NULL: anything. Syncs are names, so that a sync made again under its name still counts.
    providers       text[],
    syncs           text[],
    collection_ids  text[],
    deliver_policy  text        NOT NULL,
    ack_wait        interval    NOT NULL,
    max_deliver     int,
    max_ack_pending int         NOT NULL,
    mode            text        NOT NULL CHECK (mode IN ('queue', 'batch')),
    notify          interval,
    paused          boolean     NOT NULL DEFAULT false,
    metadata        jsonb       NOT NULL DEFAULT '{}',
    inserted_at     timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at      timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX ON sequin.consumers (stream_id);
COMMENT ON TABLE sequin.consumers IS 'Consumers and their settings; sequin.consumer_status tells how they are doing.';
COMMENT ON COLUMN sequin.consumers.max_deliver IS 'NULL: without limit.';
COMMENT ON COLUMN sequin.consumers.mode IS 'queue: for sequin.consume; batch: for sequin.fetch.';
COMMENT ON COLUMN sequin.consumers.notify IS 'At most one notification in this time; NULL: none.';

CREATE TABLE sequin._consumer_tails (
    consumer_no  int         PRIMARY KEY,
    -- Everything after it has yet to be cut into ranges.
    lo           bigint      NOT NULL,
    -- No range ends at or before it. These floors keep look-ups off what was deleted but can't be vacuumed yet.
    range_floor  bigint      NOT NULL DEFAULT 0,
    -- No lease has a smaller id; nor one up to next_floor, once nobody has a ticket that old.
    lease_floor  bigint      NOT NULL DEFAULT 0,
    next_floor   bigint      NOT NULL DEFAULT 0,
    -- For consumer_status: how many records were cut by now, when, and the same one cut earlier.
    fed          bigint      NOT NULL DEFAULT 0,
    fed_at       timestamptz,
    fed_before   bigint      NOT NULL DEFAULT 0,
    before_at    timestamptz
) WITH (fillfactor = 10);
COMMENT ON TABLE sequin._consumer_tails IS 'How far the stream has been cut into ranges, for each consumer.';

CREATE TABLE sequin._consumer_ranges (
    consumer_no int         NOT NULL,
    hi          bigint      NOT NULL,
    lo          bigint      NOT NULL,
    -- Who has a later ticket sees all of the range's records.
    fence       bigint      NOT NULL,
    -- How many records matched the filter when the range was cut, less those taken.
    amount      int         NOT NULL,
    -- No open transaction has an earlier ticket.
    settled     boolean     NOT NULL DEFAULT false,
    taken_at    timestamptz,
    PRIMARY KEY (consumer_no, hi)
) WITH (fillfactor = 50);
COMMENT ON TABLE sequin._consumer_ranges IS 'Positions (lo, hi] that nobody has taken yet.';

CREATE SEQUENCE sequin._lease_id;
CREATE TABLE sequin._leases (
    consumer_no int         NOT NULL,
    live        int         NOT NULL,
    id          bigint      NOT NULL,
    taken_at    timestamptz NOT NULL,
    -- The earliest, where "deadlines" has one for each.
    deadline    timestamptz NOT NULL,
    -- An element a delivery; NULL once it is settled.
    positions   bigint[]    NOT NULL,
    -- Hashes of the records' ids.
    keys        bigint[]    NOT NULL,
    -- NULL: each for the first time.
    counts      int[],
    deadlines   timestamptz[],
    -- A replay has come in between: what is at this position or later is delivered once more in any case.
    again_from  bigint,
    PRIMARY KEY (consumer_no, id)
) WITH (toast_tuple_target = 8160);
-- Numbers that hardly compress.
ALTER TABLE sequin._leases ALTER positions SET STORAGE EXTERNAL, ALTER keys SET STORAGE EXTERNAL;
COMMENT ON TABLE sequin._leases IS 'What is in flight: a row for what one call of consume took from one place.';

CREATE TABLE sequin._retries (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer_no   int         NOT NULL,
    due           timestamptz NOT NULL,
    position      bigint      NOT NULL,
    deliver_count int         NOT NULL,
    -- Put off because an older version may be in flight: who has a later ticket can't have that one.
    fence         bigint,
    -- The lease it waits for, where it is known, and what stands for the record there.
    lease_id      bigint,
    record_key    bigint
);
CREATE INDEX ON sequin._retries (consumer_no, due, id);
CREATE INDEX ON sequin._retries (consumer_no, due) WHERE lease_id IS NULL;
CREATE INDEX ON sequin._retries (consumer_no, lease_id) WHERE lease_id IS NOT NULL;
CREATE INDEX ON sequin._retries (consumer_no, position);
COMMENT ON TABLE sequin._retries IS 'What is to be delivered again, or was put off behind an older version in flight.';

CREATE TABLE sequin._aside (
    consumer_no int    NOT NULL,
    position    bigint NOT NULL,
    PRIMARY KEY (consumer_no, position)
);
COMMENT ON TABLE sequin._aside IS 'Positions taken out of a range that another transaction held.';

CREATE TABLE sequin._dead_letters (
    consumer_no   int         NOT NULL,
    position      bigint      NOT NULL,
    deliver_count int         NOT NULL,
    dead_at       timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (consumer_no, position)
);
COMMENT ON TABLE sequin._dead_letters IS 'What a consumer gave up on; look at sequin.dead_letters.';

-- A row is not updated but replaced by one with a later id: the latest is found first, however many that are gone can't
-- be vacuumed yet.
CREATE TABLE sequin._consumer_cursors (
    consumer_no  int         NOT NULL,
    id           bigint      NOT NULL DEFAULT pg_catalog.nextval('sequin._lease_id'),
    -- Everything after it has yet to be fetched.
    position     bigint      NOT NULL,
    -- For consumer_status, as in _consumer_tails.
    fed          bigint      NOT NULL DEFAULT 0,
    fed_at       timestamptz,
    fed_before   bigint      NOT NULL DEFAULT 0,
    before_at    timestamptz,
    PRIMARY KEY (consumer_no, id)
);
COMMENT ON TABLE sequin._consumer_cursors IS 'Where consumers are whose mode is batch.';

SELECT pg_catalog.pg_extension_config_dump('sequin.consumers', '');
SELECT pg_catalog.pg_extension_config_dump('sequin.consumers_no_seq', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._consumer_tails', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._consumer_ranges', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._lease_id', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._leases', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._retries', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._retries_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._aside', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._dead_letters', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._consumer_cursors', '');

-- Foreign keys would lock the consumer's row for each lease.
CREATE FUNCTION sequin._forget_consumer() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM sequin._consumer_tails WHERE consumer_no = old.no;
    DELETE FROM sequin._consumer_ranges WHERE consumer_no = old.no;
    DELETE FROM sequin._leases WHERE consumer_no = old.no;
    DELETE FROM sequin._retries WHERE consumer_no = old.no;
    DELETE FROM sequin._aside WHERE consumer_no = old.no;
    DELETE FROM sequin._dead_letters WHERE consumer_no = old.no;
    DELETE FROM sequin._consumer_cursors WHERE consumer_no = old.no;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._forget_consumer() IS 'Deletes what belongs to a consumer that was deleted.';
CREATE TRIGGER forget AFTER DELETE ON sequin.consumers
    FOR EACH ROW EXECUTE FUNCTION sequin._forget_consumer();

CREATE FUNCTION sequin._find_consumer(consumer text) RETURNS sequin.consumers
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_consumer sequin.consumers;
    others text;
BEGIN
    SELECT * INTO found_consumer FROM sequin.consumers AS c WHERE c.name = consumer;
    IF NOT FOUND THEN
        SELECT string_agg(quote_literal(name), ', ') INTO others
        FROM (SELECT name FROM sequin.consumers
              ORDER BY starts_with(lower(name), left(lower(consumer), 3)) DESC NULLS LAST, name
              LIMIT 5) AS near;
        RAISE undefined_object USING
            MESSAGE = format('consumer %s does not exist', coalesce(quote_literal(consumer), 'NULL')),
            DETAIL = format('consumer is %s.', coalesce(quote_literal(consumer), 'NULL')),
            HINT = coalesce('There are: ' || others || '. ', '')
                || 'SELECT sequin.create_consumer(name, stream) creates one.';
    END IF;
    RETURN found_consumer;
END
$$;
COMMENT ON FUNCTION sequin._find_consumer(text) IS 'The consumer of that name. Raises undefined_object.';
