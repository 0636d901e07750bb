-- The health of a collection: that of the worst of what it depends on. It is kept up by triggers on the tables that the
-- failures are written to, so that a change is announced by the transaction that makes it.

CREATE FUNCTION sequin._health_of(failure_class text, failures int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN $1 IS NULL THEN 'healthy'
        WHEN $1 OPERATOR(pg_catalog.=) ANY (ARRAY['transient', 'rate_limited']) AND $2 OPERATOR(pg_catalog.<) 5
            THEN 'degraded'
        ELSE 'failing'
    END
$$;
COMMENT ON FUNCTION sequin._health_of(text, int) IS
    'healthy, degraded or failing. failure_class: of the last failure, NULL where it is over; failures: how many in a '
    'row.';

CREATE VIEW sequin._refusers AS
SELECT s.credential_id, c.error, c.retry_at
FROM sequin._sync_collections AS c
JOIN sequin.syncs AS s ON s.id = c.sync_id
WHERE c.failure_class = 'credential' AND s.status = 'active'
UNION ALL
SELECT s.credential_id, f.error, f.retry_at
FROM sequin._feeds AS f
JOIN sequin.syncs AS s ON s.id = f.sync_id
WHERE f.failure_class = 'credential' AND s.status = 'active';
COMMENT ON VIEW sequin._refusers IS 'What fails because an API doesn''t accept the credential.';

CREATE VIEW sequin._collection_health AS
SELECT c.sync_id,
       c.collection_id,
       c.feed,
       s.name AS sync,
       s.credential_id,
       coalesce(p.health, 'healthy') AS health,
       p.failure_class,
       p.error,
       p.error_at,
       p.failing_since,
       p.retry_at,
       p.hint
FROM sequin._sync_collections AS c
JOIN sequin.syncs AS s ON s.id = c.sync_id
LEFT JOIN sequin._feeds AS f ON f.sync_id = c.sync_id AND f.feed = c.feed
LEFT JOIN sequin._refusals AS r ON r.credential_id = s.credential_id
CROSS JOIN LATERAL (
    SELECT (pg_catalog.array_agg(e.value ->> 'class' ORDER BY e.n))[1] AS failure_class,
           pg_catalog.string_agg(e.key || ': ' || (e.value ->> 'error'), '; ' ORDER BY e.n) FILTER (WHERE e.n <= 3)
               || CASE WHEN pg_catalog.count(*) > 3 THEN
                      pg_catalog.format('; and %s more', pg_catalog.count(*) - 3)
                  ELSE '' END AS error,
           pg_catalog.min((e.value ->> 'since')::timestamptz) AS since
    FROM (
        SELECT each.key, each.value, pg_catalog.row_number() OVER (ORDER BY each.key) AS n
        FROM pg_catalog.jsonb_each(c.unread) AS each
    ) AS e
) AS u
LEFT JOIN LATERAL (
    SELECT p.*
    FROM (VALUES
        (1, sequin._health_of(c.failure_class, c.failures), c.failure_class, c.error, c.failed_at, c.failing_since,
         c.retry_at, sequin._failure_hint(c.failure_class)),
        (2, sequin._health_of(f.failure_class, f.failures), f.failure_class, f.error, f.failed_at, f.failing_since,
         f.retry_at, sequin._failure_hint(f.failure_class)),
        -- Nothing is asked with a credential that was refused, so what has not failed itself waits as well.
        (3, CASE WHEN r.credential_id IS NOT NULL THEN 'failing' END, 'credential', r.error, r.since, r.since,
         (SELECT pg_catalog.min(x.retry_at) FROM sequin._refusers AS x WHERE x.credential_id = r.credential_id),
         sequin._failure_hint('credential')),
        (4, CASE WHEN c.guarded_at IS NOT NULL THEN 'failing' END, 'guarded',
         pg_catalog.format(
             'a sweep did not find %s of %s records; nothing was deleted, as that is too many to be believed',
             c.guarded_missing, c.guarded_total
         ),
         c.guarded_at, c.guarded_at, NULL,
         pg_catalog.format(
             'Look at the provider whether they are gone. If they are, call sequin.confirm_deletes(%L, %L); if not, '
             'mend the credential or its permissions: the next sweep finds them again.',
             s.name, c.collection_id
         )),
        (5, CASE WHEN c.unread IS NOT NULL THEN 'degraded' END, u.failure_class, u.error, u.since, u.since, NULL,
         sequin._failure_hint(u.failure_class))
    ) AS p (place, health, failure_class, error, error_at, failing_since, retry_at, hint)
    WHERE p.health <> 'healthy'
    ORDER BY p.health = 'failing' DESC, p.place
    LIMIT 1
) AS p ON true;
COMMENT ON VIEW sequin._collection_health IS
    'How each collection of each sync is, and the worst of what is wrong with it: its own failure, that of the feed '
    'which it listens to, a refused credential, a sweep that the guard has stopped, or lists that were passed over.';

CREATE FUNCTION sequin._note_health(the_credential uuid, the_sync uuid, the_feed text, the_collection text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT h.*, k.health AS former
        FROM sequin._collection_health AS h
        JOIN sequin._sync_collections AS k ON k.sync_id = h.sync_id AND k.collection_id = h.collection_id
        WHERE h.credential_id = coalesce(the_credential, h.credential_id)
          AND h.sync_id = coalesce(the_sync, h.sync_id)
          AND (the_feed IS NULL OR h.feed = the_feed)
          AND h.collection_id = coalesce(the_collection, h.collection_id)
          AND h.health <> k.health
    LOOP
        UPDATE sequin._sync_collections AS k
        SET health = c.health,
            health_since = clock_timestamp(),
            outage_ended_at = CASE
                WHEN c.former = 'failing' AND NOT EXISTS (
                    SELECT FROM sequin._sync_collections AS o
                    WHERE o.sync_id = c.sync_id AND o.collection_id <> c.collection_id AND o.health <> 'failing'
                ) THEN clock_timestamp()
                ELSE k.outage_ended_at
            END
        WHERE k.sync_id = c.sync_id AND k.collection_id = c.collection_id;
        -- A payload has less than 8000 bytes.
        PERFORM pg_notify('sequin_health', jsonb_strip_nulls(jsonb_build_object(
            'sync', c.sync,
            'collection_id', c.collection_id,
            'health', c.health,
            'former', c.former,
            'class', c.failure_class,
            'error', left(c.error, 500),
            'hint', left(c.hint, 500)
        ))::text);
    END LOOP;
END
$$;
COMMENT ON FUNCTION sequin._note_health(uuid, uuid, text, text) IS
    'Notes and announces, on the channel sequin_health, which collections are in another health than before. Of all '
    'those with these: the_credential, the_sync, the_feed, the_collection; NULL: any.';

CREATE FUNCTION sequin._note_credential(the_credential uuid, accepted boolean) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_known boolean := EXISTS (SELECT FROM sequin._refusals AS r WHERE r.credential_id = the_credential);
    refusal text;
    is_refused boolean;
BEGIN
    SELECT r.error INTO refusal FROM sequin._refusers AS r WHERE r.credential_id = the_credential LIMIT 1;
    is_refused := FOUND;
    IF is_refused AND NOT is_known THEN
        INSERT INTO sequin._refusals (credential_id, error) VALUES (the_credential, coalesce(refusal, ''));
    ELSIF is_known AND NOT is_refused AND accepted THEN
        DELETE FROM sequin._refusals AS r WHERE r.credential_id = the_credential;
    ELSE
        RETURN;
    END IF;
    PERFORM sequin._log_sync(
        s.id, NULL, CASE WHEN is_refused THEN 'credential_refused' ELSE 'credential_accepted' END,
        jsonb_strip_nulls(jsonb_build_object('credential', k.name, 'error', refusal))
    )
    FROM sequin.syncs AS s
    JOIN sequin._credentials AS k ON k.id = s.credential_id
    WHERE s.credential_id = the_credential AND s.status = 'active';
    PERFORM sequin._note_health(the_credential, NULL, NULL, NULL);
END
$$;
COMMENT ON FUNCTION sequin._note_credential(uuid, boolean) IS
    'Notes whether a credential is refused. accepted: an API has just answered as it does to one that it accepts.';

CREATE FUNCTION sequin._forget_refusal(the_credential uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM sequin._refusals AS r
    WHERE r.credential_id = the_credential
      AND NOT EXISTS (SELECT FROM sequin._refusers AS x WHERE x.credential_id = the_credential);
    IF FOUND THEN
        PERFORM sequin._note_health(the_credential, NULL, NULL, NULL);
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._forget_refusal(uuid) IS
    'Forgets that a credential was refused where whatever was refused is gone.';

CREATE FUNCTION sequin._note_failure(
    the_sync uuid, the_collection text, the_feed text,
    old_class text, old_failures int, old_since timestamptz, new_class text, new_failures int, new_error text
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    was text := sequin._health_of(old_class, old_failures);
    now_is text := sequin._health_of(new_class, new_failures);
    detail jsonb := jsonb_strip_nulls(jsonb_build_object('feed', the_feed));
BEGIN
    -- A refused credential has rows of its own.
    IF now_is = 'failing' AND new_class <> 'credential' AND (was <> 'failing' OR old_class = 'credential') THEN
        PERFORM sequin._log_sync(
            the_sync, the_collection, 'failing',
            detail || jsonb_build_object('class', new_class, 'error', left(new_error, 1000))
        );
    ELSIF was = 'failing' AND old_class <> 'credential' AND now_is <> 'failing' THEN
        PERFORM sequin._log_sync(
            the_sync, the_collection, 'recovered',
            detail || jsonb_build_object('class', old_class, 'failing_since', old_since)
        );
    END IF;
    IF new_class IS DISTINCT FROM old_class THEN
        PERFORM sequin._note_credential(
            s.credential_id, coalesce(new_class IN ('permission', 'missing', 'bad_request'), true)
        )
        FROM sequin.syncs AS s
        WHERE s.id = the_sync;
    END IF;
    PERFORM sequin._note_health(NULL, the_sync, the_feed, the_collection);
END
$$;
COMMENT ON FUNCTION sequin._note_failure(uuid, text, text, text, int, timestamptz, text, int, text) IS
    'Draws the consequences of a failure that has come, changed or gone: of a collection, or of a feed.';

CREATE FUNCTION sequin._note_collection() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF OLD.guarded_at IS NULL AND NEW.guarded_at IS NOT NULL THEN
        PERFORM sequin._log_sync(
            NEW.sync_id, NEW.collection_id, 'guard_stopped',
            jsonb_build_object('missing', NEW.guarded_missing, 'records', NEW.guarded_total)
        );
    END IF;
    IF NEW.unread IS DISTINCT FROM OLD.unread THEN
        PERFORM sequin._log_sync(
            NEW.sync_id, NEW.collection_id, CASE WHEN is_again THEN 'readable' ELSE 'unreadable' END,
            jsonb_build_object('lists', lists)
        )
        FROM (
            SELECT false AS is_again, jsonb_object_agg(e.key, e.value ->> 'error') AS lists
            FROM jsonb_each(NEW.unread) AS e WHERE (OLD.unread ? e.key) IS NOT TRUE
            UNION ALL
            SELECT true, jsonb_object_agg(e.key, e.value ->> 'error')
            FROM jsonb_each(OLD.unread) AS e WHERE (NEW.unread ? e.key) IS NOT TRUE
        ) AS changes
        WHERE lists IS NOT NULL;
    END IF;
    PERFORM sequin._note_failure(
        NEW.sync_id, NEW.collection_id, NULL, OLD.failure_class, OLD.failures, OLD.failing_since, NEW.failure_class,
        NEW.failures, NEW.error
    );
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._note_collection() IS 'Draws the consequences of what has changed for one collection.';
CREATE TRIGGER health AFTER UPDATE OF failure_class, failures, guarded_at, unread ON sequin._sync_collections
    FOR EACH ROW WHEN (
        OLD.failure_class IS DISTINCT FROM NEW.failure_class
        OR OLD.guarded_at IS DISTINCT FROM NEW.guarded_at
        OR OLD.unread IS DISTINCT FROM NEW.unread
        OR sequin._health_of(OLD.failure_class, OLD.failures) <> sequin._health_of(NEW.failure_class, NEW.failures)
    ) EXECUTE FUNCTION sequin._note_collection();

CREATE FUNCTION sequin._note_feed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sequin._note_failure(
        NEW.sync_id, NULL, NEW.feed, OLD.failure_class, OLD.failures, OLD.failing_since, NEW.failure_class,
        NEW.failures, NEW.error
    );
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._note_feed() IS 'Draws the consequences of what has changed for all that listen to a feed.';
CREATE TRIGGER health AFTER UPDATE OF failure_class, failures ON sequin._feeds
    FOR EACH ROW WHEN (
        OLD.failure_class IS DISTINCT FROM NEW.failure_class
        OR sequin._health_of(OLD.failure_class, OLD.failures) <> sequin._health_of(NEW.failure_class, NEW.failures)
    ) EXECUTE FUNCTION sequin._note_feed();

CREATE FUNCTION sequin._note_removal() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM sequin._forget_refusal(s.credential_id) FROM sequin.syncs AS s WHERE s.id = OLD.sync_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._note_removal() IS
    'Draws the consequences for a refused credential of a collection or feed that is no longer there.';
CREATE TRIGGER removal AFTER DELETE ON sequin._sync_collections
    FOR EACH ROW WHEN (OLD.failure_class = 'credential') EXECUTE FUNCTION sequin._note_removal();
CREATE TRIGGER removal AFTER DELETE ON sequin._feeds
    FOR EACH ROW WHEN (OLD.failure_class = 'credential') EXECUTE FUNCTION sequin._note_removal();
