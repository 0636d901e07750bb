-- The history of syncs. It is written by triggers: whoever changes a state, in whichever statement, writes it down in the
-- same transaction. None of them is for INSERT, so that a restore adds nothing to what it restores.
CREATE TABLE sequin._sync_log (
    stream_id     uuid        NOT NULL,
    -- No foreign key: its check would wait for whoever is changing the sync.
    sync_id       uuid        NOT NULL,
    id            bigint      GENERATED ALWAYS AS IDENTITY,
    at            timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    collection_id text,
    event         text        NOT NULL,
    detail        jsonb       NOT NULL DEFAULT '{}',
    PRIMARY KEY (stream_id, sync_id, id)
);
SELECT pg_catalog.pg_extension_config_dump('sequin._sync_log', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._sync_log_id_seq', '');

CREATE VIEW sequin.sync_log AS
SELECT l.id, l.stream_id, l.sync_id, s.name AS sync, l.collection_id, l.at, l.event, l.detail
FROM sequin._sync_log AS l
JOIN sequin.syncs AS s ON s.id = l.sync_id AND s.stream_id = l.stream_id;
COMMENT ON VIEW sequin.sync_log IS
    'What has happened to each sync: a row for each change of a state, not for each retry or poll. The latest '
    'sequin.sync_log_limit rows of a sync are kept.';

CREATE FUNCTION sequin._log_sync(the_sync uuid, the_collection text, the_event text, the_detail jsonb DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept int := current_setting('sequin.sync_log_limit')::int;
    the_stream uuid;
    oldest bigint;
BEGIN
    INSERT INTO sequin._sync_log (stream_id, sync_id, collection_id, event, detail)
    SELECT s.stream_id, s.id, the_collection, the_event, the_detail
    FROM sequin.syncs AS s
    WHERE s.id = the_sync
    RETURNING stream_id INTO the_stream;

    SELECT l.id INTO oldest
    FROM sequin._sync_log AS l
    WHERE l.stream_id = the_stream AND l.sync_id = the_sync
    ORDER BY l.id DESC
    LIMIT 1 OFFSET kept - 1;
    IF FOUND THEN
        -- A few at a time, also where many are to go because the limit was lowered. What another transaction is just
        -- removing is left to it.
        DELETE FROM sequin._sync_log AS l
        WHERE l.stream_id = the_stream AND l.sync_id = the_sync AND l.id IN (
            SELECT o.id
            FROM sequin._sync_log AS o
            WHERE o.stream_id = the_stream AND o.sync_id = the_sync AND o.id < oldest
            ORDER BY o.id
            LIMIT 100
            FOR UPDATE SKIP LOCKED
        );
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._log_sync(uuid, text, text, jsonb) IS
    'Adds a row to sequin.sync_log and removes the oldest ones past its limit. the_collection: NULL where it concerns '
    'the whole sync.';

CREATE FUNCTION sequin._log_change_of_sync() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed jsonb;
BEGIN
    IF NEW.status <> OLD.status THEN
        PERFORM sequin._log_sync(NEW.id, NULL, CASE NEW.status WHEN 'paused' THEN 'paused' ELSE 'resumed' END);
        -- What a paused sync was refused counts no more, and again once it is resumed.
        IF NEW.status = 'paused' THEN
            PERFORM sequin._forget_refusal(NEW.credential_id);
        ELSE
            PERFORM sequin._note_credential(NEW.credential_id, false);
        END IF;
    END IF;
    SELECT jsonb_object_agg(n.key, n.value) INTO changed
    FROM jsonb_each(to_jsonb(NEW)) AS n
    WHERE n.key IN ('collections', 'frequency', 'rate_limit', 'max_age', 'options', 'external_id', 'metadata')
      AND n.value <> to_jsonb(OLD) -> n.key;
    IF changed IS NOT NULL THEN
        PERFORM sequin._log_sync(NEW.id, NULL, 'changed', changed);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._log_change_of_sync() IS 'Writes down that a sync was paused, resumed or changed.';
CREATE TRIGGER history AFTER UPDATE ON sequin.syncs
    FOR EACH ROW EXECUTE FUNCTION sequin._log_change_of_sync();

CREATE FUNCTION sequin._forget_sync() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM sequin._sync_log AS l WHERE l.stream_id = OLD.stream_id AND l.sync_id = OLD.id;
    PERFORM sequin._forget_refusal(OLD.credential_id);
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._forget_sync() IS 'Deletes the history of a sync that is deleted.';
-- Its name is behind those of the foreign keys' triggers: by then the sync's collections are gone, and with them
-- whoever might still have written about them.
CREATE TRIGGER history_ends AFTER DELETE ON sequin.syncs
    FOR EACH ROW EXECUTE FUNCTION sequin._forget_sync();

CREATE FUNCTION sequin._log_backfill() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    what text;
BEGIN
    what := CASE NEW.state
        WHEN 'running' THEN 'started'
        WHEN 'completed' THEN 'completed'
        WHEN 'cancelled' THEN 'cancelled'
    END;
    -- Sweeps repeat: one that found nothing is no news, and one that the guard has stopped is written down as that.
    IF what IS NULL OR NEW.kind = 'sweep' AND (
        what = 'started'
        OR what = 'completed' AND NEW.changes + NEW.rejected + NEW.deletions = 0 AND NEW.may_delete IS NULL
        OR what = 'cancelled' AND EXISTS (
            SELECT FROM sequin._sync_collections AS c
            WHERE c.sync_id = NEW.sync_id AND c.collection_id = NEW.collection_id AND c.guarded_at IS NOT NULL
        )
    ) THEN
        RETURN NULL;
    END IF;
    PERFORM sequin._log_sync(
        NEW.sync_id, NEW.collection_id, CASE NEW.kind WHEN 'sweep' THEN 'sweep_' ELSE 'backfill_' END || what,
        jsonb_strip_nulls(jsonb_build_object('id', NEW.id, 'kind', NEW.kind, 'since', NEW.since))
        || CASE WHEN what = 'started' THEN '{}' ELSE jsonb_build_object(
            'pages', NEW.pages, 'records', NEW.records, 'changes', NEW.changes, 'rejected', NEW.rejected,
            'deletions', NEW.deletions
        ) END
    );
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._log_backfill() IS
    'Writes down that a backfill has started, completed or been cancelled, and what a sweep has found.';
CREATE TRIGGER history AFTER UPDATE OF state ON sequin.backfills
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION sequin._log_backfill();

CREATE FUNCTION sequin._log_gap() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sequin._log_sync(
        NEW.sync_id, NULL, 'feed_gap', jsonb_build_object('feed', NEW.feed, 'read_until', OLD.cursor)
    );
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._log_gap() IS
    'Writes down that a feed had a gap, so that the collections which listen to it are swept.';
CREATE TRIGGER history AFTER UPDATE OF cursor ON sequin._feeds
    FOR EACH ROW WHEN (OLD.cursor IS NOT NULL AND NEW.cursor IS NULL) EXECUTE FUNCTION sequin._log_gap();
