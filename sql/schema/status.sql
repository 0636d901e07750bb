CREATE VIEW sequin.sync_collections AS
SELECT c.stream_id,
       c.sync_id,
       s.name AS sync,
       c.collection_id,
       CASE
           WHEN s.status = 'paused' THEN 'paused'
           WHEN c.backfilled_at IS NULL AND b.state = 'running' THEN 'backfilling'
           WHEN c.backfilled_at IS NULL THEN 'pending'
           ELSE 'syncing'
       END AS state,
       pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
           'backfill', b.ranges, 'newest', c.cursor, 'feed', f.cursor
       )) AS cursor,
       CASE
           WHEN coalesce(c.failure_class, f.failure_class) IS NULL THEN 'healthy'
           WHEN coalesce(c.failure_class, f.failure_class) IN ('transient', 'rate_limited')
                AND greatest(c.failures, f.failures) < 5 THEN 'degraded'
           ELSE 'failing'
       END AS health,
       greatest(c.last_success_at, c.polled_at, CASE WHEN c.backfilled_at IS NOT NULL THEN f.polled_at END)
           AS last_success_at,
       CASE WHEN c.backfilled_at IS NOT NULL THEN
           pg_catalog.now() - coalesce(f.polled_at, c.polled_at, c.swept_at, c.backfilled_at)
       END AS lag,
       coalesce(c.failure_class, f.failure_class) AS failure_class,
       coalesce(c.error, f.error) AS error,
       sequin._failure_hint(coalesce(c.failure_class, f.failure_class)) AS hint,
       coalesce(c.failing_since, f.failing_since) AS failing_since,
       coalesce(c.retry_at, f.retry_at) AS retry_at,
       c.backfilled_at,
       c.swept_at
FROM sequin._sync_collections AS c
JOIN sequin.syncs AS s ON s.id = c.sync_id
LEFT JOIN sequin._feeds AS f ON f.sync_id = c.sync_id AND f.feed = c.feed
LEFT JOIN LATERAL (
    SELECT b.state,
           CASE b.state WHEN 'running' THEN (
               SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                   'from', r.from_at, 'before', r.before_at, 'position', r.position
               ) ORDER BY r.no)
               FROM sequin._backfill_ranges AS r
               WHERE r.backfill_id = b.id AND NOT r.done
           ) END AS ranges
    FROM sequin.backfills AS b
    WHERE b.sync_id = c.sync_id AND b.collection_id = c.collection_id AND b.state IN ('pending', 'running')
    ORDER BY b.requested_at
    LIMIT 1
) AS b ON true;
COMMENT ON VIEW sequin.sync_collections IS
    'How each collection of each sync is doing. lag: how old the newest complete look at the API is; NULL before the '
    'initial backfill has completed. A look that found nothing is written down every 10 seconds only.';

CREATE VIEW sequin.status AS
SELECT s.name AS sync,
       st.name AS stream,
       s.provider,
       CASE
           WHEN s.status = 'paused' THEN 'paused'
           WHEN c.failing = c.collections THEN 'failing'
           WHEN c.backfilled < c.collections THEN 'backfilling'
           ELSE 'syncing'
       END AS state,
       CASE WHEN c.failing > 0 THEN 'failing' WHEN c.degraded > 0 THEN 'degraded' ELSE 'healthy' END AS health,
       c.collections,
       c.backfilled,
       c.lag,
       c.last_success_at,
       CASE
           WHEN s.status = 'paused' THEN 'to be resumed with sequin.resume_sync'
           WHEN c.retry_at > pg_catalog.now()
               THEN pg_catalog.format('the next try, at %s', pg_catalog.date_trunc('second', c.retry_at))
           WHEN c.backfilled < c.collections
               THEN pg_catalog.format('%s of %s backfills', c.collections - c.backfilled, c.collections)
           WHEN s.frequency = 'continuous' THEN 'changes'
           ELSE pg_catalog.format('the next look, one each %s', s.frequency)
       END AS waiting_for,
       c.failure_class,
       c.error,
       c.hint
FROM sequin.syncs AS s
JOIN sequin.streams AS st ON st.id = s.stream_id
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*) AS collections,
           pg_catalog.count(c.backfilled_at) AS backfilled,
           pg_catalog.count(*) FILTER (WHERE c.health = 'failing') AS failing,
           pg_catalog.count(*) FILTER (WHERE c.health = 'degraded') AS degraded,
           pg_catalog.max(c.lag) AS lag,
           pg_catalog.max(c.last_success_at) AS last_success_at,
           pg_catalog.min(c.retry_at) AS retry_at,
           -- The worst first, and the one that has lasted longest.
           (pg_catalog.array_agg(c.collection_id || ': ' || c.error ORDER BY c.health = 'failing' DESC, c.failing_since)
                FILTER (WHERE c.error IS NOT NULL))[1] AS error,
           (pg_catalog.array_agg(c.failure_class ORDER BY c.health = 'failing' DESC, c.failing_since)
                FILTER (WHERE c.error IS NOT NULL))[1] AS failure_class,
           (pg_catalog.array_agg(c.hint ORDER BY c.health = 'failing' DESC, c.failing_since)
                FILTER (WHERE c.error IS NOT NULL))[1] AS hint
    FROM sequin.sync_collections AS c
    WHERE c.sync_id = s.id
) AS c;
COMMENT ON VIEW sequin.status IS
    'A row a sync: what it is doing (state), how it is (health: healthy, degraded, failing), how old its data can be '
    '(lag: that of the collection furthest behind), what it is waiting for, the worst error and what would help.';

CREATE VIEW sequin.backfill_progress AS
SELECT b.id,
       s.name AS sync,
       b.collection_id,
       b.kind,
       b.state,
       b.pages,
       b.records,
       b.changes,
       b.rejected,
       r.ranges,
       r.ranges_done,
       round((b.records / nullif(extract(epoch FROM b.last_page_at - b.started_at), 0))::numeric, 1) AS records_per_second,
       e.records AS estimated_records,
       CASE WHEN e.records > b.records AND b.records > 0 THEN
           (b.last_page_at - b.started_at) * ((e.records - b.records)::double precision / b.records)
       END AS estimated_time_left,
       b.since,
       b.requested_at,
       b.started_at,
       b.last_page_at,
       b.finished_at
FROM sequin.backfills AS b
JOIN sequin.syncs AS s ON s.id = b.sync_id
CROSS JOIN LATERAL (
    -- What lies ahead in a range is taken to be as dense as what has been read of it, or else of the others. NULL while
    -- one has no end that is known.
    SELECT pg_catalog.count(*) AS ranges,
           pg_catalog.count(*) FILTER (WHERE w.done) AS ranges_done,
           CASE WHEN pg_catalog.bool_and(w.ahead IS NOT NULL) THEN
               pg_catalog.sum(coalesce(
                   w.ahead * w.records / nullif(w.behind, 0),
                   w.ahead * w.all_records / nullif(w.all_behind, 0)
               ))
           END AS records_ahead
    FROM (
        SELECT v.*,
               pg_catalog.sum(v.records) OVER () AS all_records,
               pg_catalog.sum(v.behind) OVER () AS all_behind
        FROM (
            SELECT r.done,
                   r.records,
                   -- The API's clock may be ahead.
                   greatest(0, extract(epoch FROM
                       coalesce(r.before_at, b.started_at)
                       - CASE WHEN r.done THEN coalesce(r.from_at, r.reached_at) ELSE r.reached_at END
                   )) AS behind,
                   CASE WHEN r.done THEN 0
                        ELSE extract(epoch FROM coalesce(r.reached_at, r.before_at, b.started_at) - r.from_at)
                   END AS ahead
            FROM sequin._backfill_ranges AS r
            WHERE r.backfill_id = b.id
        ) AS v
    ) AS w
) AS r
LEFT JOIN LATERAL (
    SELECT coalesce(
               b.records + pg_catalog.round(r.records_ahead)::bigint,
               -- Where the bounds don't tell, the last complete walk does: how much an API has that was never seen, it
               -- doesn't say.
               (SELECT pg_catalog.max(done.records)
                FROM sequin.backfills AS done
                WHERE done.sync_id = b.sync_id AND done.collection_id = b.collection_id AND done.state = 'completed'
                  AND done.since IS NULL AND b.since IS NULL)
           ) AS records
) AS e ON b.state IN ('pending', 'running');
COMMENT ON VIEW sequin.backfill_progress IS
    'How far each backfill is: pages and records so far, those that were new or changed, those that were set aside, '
    'the ranges of creation time that it is read in, and the rate. The estimate is by what the ranges have before them, '
    'where each has an end that is known; otherwise it is the size of the last complete walk through the collection.';

CREATE FUNCTION sequin._lease_key(credential_id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE
AS $$ SELECT pg_catalog.hashtextextended('sequin.credential:' || credential_id::text, 0) $$;
COMMENT ON FUNCTION sequin._lease_key(uuid) IS
    'The advisory lock of the worker that works with a credential.';

CREATE VIEW sequin.workers AS
SELECT a.pid,
       a.backend_start AS started_at,
       a.state,
       ARRAY(SELECT c.name
             FROM sequin._credentials AS c
             JOIN pg_catalog.pg_locks AS l
               ON l.locktype = 'advisory' AND l.objsubid = 1 AND l.pid = a.pid AND l.granted
              AND (l.classid::bigint << 32 | l.objid::bigint) = sequin._lease_key(c.id)
             ORDER BY c.name) AS credentials
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = pg_catalog.current_database() AND a.backend_type = 'sequin worker';
COMMENT ON VIEW sequin.workers IS
    'The workers of this database, and which credentials each works with. Who may not see others'' activity sees '
    'no state.';
