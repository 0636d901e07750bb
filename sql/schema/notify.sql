CREATE FUNCTION sequin._notify_consumer(no int, INOUT base bigint, INOUT after bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    c sequin.consumers;
    start bigint;
    has_some boolean;
BEGIN
    SELECT * INTO c FROM sequin.consumers AS k WHERE k.no = no AND NOT k.paused;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    start := CASE c.mode
        WHEN 'batch' THEN (SELECT k.position FROM sequin._consumer_cursors AS k
                           WHERE k.consumer_no = no ORDER BY k.id DESC LIMIT 1)
        ELSE (SELECT t.lo FROM sequin._consumer_tails AS t WHERE t.consumer_no = no) END;
    -- What was passed in vain need not be looked at again, unless the consumer has been moved.
    IF base IS DISTINCT FROM start THEN
        base := start;
        after := start;
    END IF;
    has_some := EXISTS (SELECT FROM sequin._consumer_ranges AS g WHERE g.consumer_no = no AND g.hi > 0)
        OR EXISTS (SELECT FROM sequin._retries AS r WHERE r.consumer_no = no AND r.due <= clock_timestamp());
    IF NOT has_some THEN
        SELECT n.after, n.found_match INTO after, has_some
        FROM sequin._next_match(c, sequin._filter_syncs(c.syncs), after) AS n;
    END IF;
    IF has_some THEN
        PERFORM pg_notify('sequin:' || c.name, '');
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._notify_consumer(int, bigint, bigint) IS
    'Notifies those who listen for the consumer, if it has anything to take. base, after: what the call before returned; '
    'NULL: there was none.';
