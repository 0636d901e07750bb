-- A sweep can have seen as much as there is stored, and neither may be looked through once for each of the other. The worker
-- forbids hash joins in its session, for the sake of what is done for each page; this is done once for a whole list, and
-- nothing else will do, whatever the planner thinks of tables that it has not analysed yet.
CREATE FUNCTION sequin._compare_sweep(
    the_backfill uuid, most bigint,
    OUT total bigint, OUT missing bigint, OUT missing_ids text[], OUT began timestamptz, OUT has_seen boolean,
    OUT confirmed bigint
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = on
SET enable_nestloop = off
AS $$
DECLARE
    the_stream uuid;
    the_sync uuid;
    the_collection text;
    started timestamptz;
    hides_any boolean;
BEGIN
    SELECT b.stream_id, b.sync_id, b.collection_id, b.started_at, b.may_delete
    INTO the_stream, the_sync, the_collection, started, confirmed
    FROM sequin.backfills AS b
    WHERE b.id = the_backfill;
    began := coalesce(started, now());
    confirmed := coalesce(confirmed, 0);
    has_seen := EXISTS (SELECT FROM sequin._sweep_pages AS p WHERE p.backfill_id = the_backfill AND p.upstream_ids <> '{}');
    hides_any := EXISTS (SELECT FROM sequin._sweep_pages AS p WHERE p.backfill_id = the_backfill AND p.hides_any);

    SELECT count(*) INTO total
    FROM sequin.records AS r
    WHERE r.stream_id = the_stream AND r.collection_id = the_collection AND r.sync_id = the_sync AND NOT r.deleted;

    WITH unseen AS MATERIALIZED (
        SELECT r.upstream_id
        FROM sequin.records AS r
        LEFT JOIN (
            SELECT DISTINCT unnest(p.upstream_ids) AS upstream_id
            FROM sequin._sweep_pages AS p WHERE p.backfill_id = the_backfill
        ) AS seen ON seen.upstream_id = r.upstream_id
        LEFT JOIN (
            SELECT DISTINCT p.hidden_parent_id AS parent_id
            FROM sequin._sweep_pages AS p WHERE p.backfill_id = the_backfill AND p.hidden_parent_id IS NOT NULL
        ) AS hidden ON hidden.parent_id = r.parent_id
        LEFT JOIN (
            SELECT DISTINCT unnest(p.parent_ids) AS parent_id
            FROM sequin._sweep_pages AS p WHERE p.backfill_id = the_backfill
        ) AS listed ON listed.parent_id = r.parent_id
        WHERE r.stream_id = the_stream AND r.collection_id = the_collection AND r.sync_id = the_sync AND NOT r.deleted
          AND r.observed_at < started AND seen.upstream_id IS NULL
          -- A list that was not read may have it: that of its parent …
          AND hidden.parent_id IS NULL
          -- … or, where nothing beneath its parent was listed, one further up.
          AND (NOT hides_any OR listed.parent_id IS NOT NULL)
    )
    SELECT (SELECT count(*) FROM unseen),
           ARRAY(SELECT u.upstream_id FROM unseen AS u ORDER BY u.upstream_id LIMIT most)
    INTO missing, missing_ids;
END
$$;
COMMENT ON FUNCTION sequin._compare_sweep(uuid, bigint) IS
    'What a sweep has not seen of the live records of its collection: total of them, how many are missing, the first ids of '
    'those, at most so many. began: since when it reads. has_seen: whether it has seen anything. confirmed: how many deletions '
    'somebody has confirmed.';
