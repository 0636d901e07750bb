CREATE VIEW sequin.sync_collections WITH (security_barrier) AS
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
       h.health,
       greatest(c.last_success_at, c.polled_at, CASE WHEN c.backfilled_at IS NOT NULL THEN f.polled_at END)
           AS last_success_at,
       CASE WHEN c.backfilled_at IS NOT NULL THEN
           pg_catalog.now() - coalesce(f.polled_at, c.polled_at, c.swept_at, c.backfilled_at)
       END AS lag,
       h.failure_class,
       h.error,
       h.hint,
       h.failing_since,
       h.retry_at,
       c.backfilled_at,
       c.swept_at,
       CASE
           WHEN s.status = 'paused' THEN s.status_since
           ELSE greatest(s.status_since, CASE
               WHEN c.backfilled_at IS NOT NULL THEN c.backfilled_at
               WHEN b.state = 'running' THEN b.started_at
               ELSE c.added_at
           END)
       END AS state_since,
       c.health_since,
       CASE WHEN s.status = 'active' THEN greatest(
           pg_catalog.now(),
           CASE WHEN h.failure_class = 'credential' THEN h.retry_at END,
           least(
               CASE WHEN b.state IS NOT NULL THEN greatest(pg_catalog.now(), c.retry_at) END,
               CASE WHEN f.feed IS NOT NULL THEN
                   greatest(coalesce(f.polled_at, '-infinity') + pg_catalog.make_interval(secs => every.feed), f.retry_at)
               END,
               CASE WHEN c.backfilled_at IS NOT NULL THEN
                   greatest(coalesce(c.polled_at, '-infinity') + pg_catalog.make_interval(secs => every.poll), c.retry_at)
               END,
               CASE WHEN c.backfilled_at IS NOT NULL THEN
                   coalesce(c.swept_at, '-infinity') + pg_catalog.make_interval(secs => every.sweep)
               END
           )
       ) END AS next_run_at,
       coalesce(h.error, CASE WHEN c.failed_at >= f.failed_at OR f.failed_at IS NULL THEN c.error ELSE f.error END)
           AS last_error,
       coalesce(h.error_at, greatest(c.failed_at, f.failed_at)) AS last_error_at,
       c.guarded_missing AS held_back,
       c.unread
FROM sequin._sync_collections AS c
JOIN sequin.syncs AS s ON s.id = c.sync_id
JOIN sequin._collection_health AS h ON h.sync_id = c.sync_id AND h.collection_id = c.collection_id
CROSS JOIN LATERAL sequin._check_intervals(s.provider, c.collection_id, s.frequency) AS every
LEFT JOIN sequin._feeds AS f ON f.sync_id = c.sync_id AND f.feed = c.feed
LEFT JOIN LATERAL (
    SELECT b.state, b.started_at,
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
) AS b ON true
WHERE s.stream_id = ANY (ARRAY(SELECT v.id FROM sequin._visible_streams AS v));
COMMENT ON VIEW sequin.sync_collections IS
    'How each collection of each sync is doing. lag: how old the newest complete look at the API is; NULL before the '
    'initial backfill has completed. A look that found nothing is written down every 10 seconds only. next_run_at: when '
    'the API is asked next, by the settings; a strict rate limit can make it later. held_back: how many deletions wait '
    'for sequin.confirm_deletes. unread: the lists that could not be read and were passed over, with the reasons.';

CREATE VIEW sequin.status WITH (security_barrier) AS
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
           WHEN pg_catalog.to_regrole('sequin_worker') IS NULL
               THEN 'the role sequin_worker, which the workers run as: it has another name'
           WHEN c.failure_class = 'credential' THEN pg_catalog.format(
               'the credential %I to be accepted; the next try is at %s',
               k.name, pg_catalog.date_trunc('second', greatest(c.retry_at, pg_catalog.now()))
           )
           WHEN c.retry_at > pg_catalog.now()
               THEN pg_catalog.format('the next try, at %s', pg_catalog.date_trunc('second', c.retry_at))
           WHEN c.backfilled < c.collections
               THEN pg_catalog.format('%s of %s backfills', c.collections - c.backfilled, c.collections)
           WHEN s.frequency = 'continuous' THEN 'changes'
           ELSE pg_catalog.format('the next look, one each %s', s.frequency)
       END AS waiting_for,
       c.failure_class,
       c.error,
       c.hint,
       CASE
           WHEN s.status = 'paused' THEN s.status_since
           WHEN c.failing = c.collections THEN greatest(s.status_since, c.failing_since)
           ELSE greatest(
               s.status_since,
               c.outage_ended_at,
               CASE WHEN c.backfilled < c.collections THEN c.added_at ELSE c.backfilled_at END
           )
       END AS state_since,
       CASE
           WHEN c.failing > 0 THEN c.failing_first
           WHEN c.degraded > 0 THEN c.degraded_first
           ELSE c.healthy_last
       END AS health_since,
       c.next_run_at,
       c.last_error,
       c.last_error_at
FROM sequin.syncs AS s
JOIN sequin.streams AS st ON st.id = s.stream_id
JOIN sequin._credentials AS k ON k.id = s.credential_id
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*) AS collections,
           pg_catalog.count(c.backfilled_at) AS backfilled,
           pg_catalog.count(*) FILTER (WHERE c.health = 'failing') AS failing,
           pg_catalog.count(*) FILTER (WHERE c.health = 'degraded') AS degraded,
           pg_catalog.max(c.lag) AS lag,
           pg_catalog.max(c.last_success_at) AS last_success_at,
           pg_catalog.min(c.retry_at) AS retry_at,
           pg_catalog.min(c.next_run_at) AS next_run_at,
           -- When the last one began to fail, and what else began or ended then.
           pg_catalog.max(c.health_since) FILTER (WHERE c.health = 'failing') AS failing_since,
           pg_catalog.min(c.health_since) FILTER (WHERE c.health = 'failing') AS failing_first,
           pg_catalog.min(c.health_since) FILTER (WHERE c.health = 'degraded') AS degraded_first,
           pg_catalog.max(c.health_since) AS healthy_last,
           pg_catalog.min(o.added_at) FILTER (WHERE c.backfilled_at IS NULL) AS added_at,
           pg_catalog.max(c.backfilled_at) AS backfilled_at,
           pg_catalog.max(o.outage_ended_at) AS outage_ended_at,
           pg_catalog.max(c.last_error_at) AS last_error_at,
           (pg_catalog.array_agg(c.collection_id || ': ' || c.last_error ORDER BY c.last_error_at DESC NULLS LAST)
                FILTER (WHERE c.last_error IS NOT NULL))[1] AS last_error,
           -- The worst first, and the one that has lasted longest.
           (pg_catalog.array_agg(c.collection_id || ': ' || c.error ORDER BY c.health = 'failing' DESC, c.failing_since)
                FILTER (WHERE c.error IS NOT NULL))[1] AS error,
           (pg_catalog.array_agg(c.failure_class ORDER BY c.health = 'failing' DESC, c.failing_since)
                FILTER (WHERE c.error IS NOT NULL))[1] AS failure_class,
           (pg_catalog.array_agg(c.hint ORDER BY c.health = 'failing' DESC, c.failing_since)
                FILTER (WHERE c.error IS NOT NULL))[1] AS hint
    FROM sequin.sync_collections AS c
    JOIN sequin._sync_collections AS o ON o.sync_id = c.sync_id AND o.collection_id = c.collection_id
    WHERE c.sync_id = s.id
) AS c
WHERE s.stream_id = ANY (ARRAY(SELECT v.id FROM sequin._visible_streams AS v));
COMMENT ON VIEW sequin.status IS
    'A row a sync: what it is doing (state) and how it is (health: healthy, degraded, failing), each with since when, '
    'how old its data can be (lag: that of the collection furthest behind), what it is waiting for and until when '
    '(next_run_at), the worst error and what would help, and the last error, which stays when it is over.';

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
       b.deletions,
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
       b.finished_at,
       x.waiting_for
FROM sequin.backfills AS b
JOIN sequin.syncs AS s ON s.id = b.sync_id
LEFT JOIN LATERAL (
    SELECT CASE
               WHEN e.stage ? 'running' THEN pg_catalog.format(
                   'the export %s, which was asked for at %s',
                   e.stage #>> '{running,job}',
                   pg_catalog.date_trunc('second', pg_catalog.to_timestamp(
                       (e.stage #>> '{running,requested_at}')::double precision / 1000000
                   ))
               )
               WHEN e.stage #> '{starting,busy_since}' <> 'null' THEN 'another export to end'
           END AS waiting_for
    FROM sequin._backfill_ranges AS r
    CROSS JOIN LATERAL (SELECT r.position #> '{levels,0,0,after,export,stage}' AS stage) AS e
    WHERE r.backfill_id = b.id AND NOT r.done AND e.stage IS NOT NULL
    LIMIT 1
) AS x ON b.state IN ('pending', 'running') AND s.status = 'active'
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
    'those that a sweep found to be gone, '
    'the ranges of creation time that it is read in, and the rate. The estimate is by what the ranges have before them, '
    'where each has an end that is known; otherwise it is the size of the last complete walk through the collection. '
    'waiting_for: the export that the API prepares for it.';

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
    'The workers of this database, and which credentials each works with. Who may not see others'' activity '
    '(pg_read_all_stats) sees none.';
