-- The pages that the benchmark applies, and the loop that applies them as the worker does: one call of
-- sequin._apply_page and one commit a page, from within the server, so that no client is measured.
CREATE SCHEMA bench;

CREATE TABLE bench.pages (
    version      int           NOT NULL,
    page         int           NOT NULL,
    ids          uuid[]        NOT NULL,
    upstream_ids text[]        NOT NULL,
    datas        text[]        NOT NULL,
    hashes       uuid[]        NOT NULL,
    created      timestamptz[] NOT NULL,
    PRIMARY KEY (version, page)
);
-- The worker has its arrays in memory; what reading them costs here is kept small, and is shown.
ALTER TABLE bench.pages
    ALTER ids SET STORAGE EXTERNAL, ALTER upstream_ids SET STORAGE EXTERNAL, ALTER datas SET STORAGE EXTERNAL,
    ALTER hashes SET STORAGE EXTERNAL, ALTER created SET STORAGE EXTERNAL;

CREATE PROCEDURE bench.apply(the_version int, the_stream uuid, the_sync uuid, INOUT inserted bigint, INOUT changed bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    pages int := (SELECT max(page) FROM bench.pages);
    size int := (SELECT cardinality(ids) FROM bench.pages LIMIT 1);
    deletions boolean[] := array_fill(false, ARRAY[size]);
    no_times timestamptz[] := array_fill(NULL::timestamptz, ARRAY[size]);
    no_parents text[] := array_fill(NULL::text, ARRAY[size]);
    given bench.pages;
    done record;
BEGIN
    inserted := 0;
    changed := 0;
    FOR number IN 1..pages LOOP
        SELECT * INTO given FROM bench.pages WHERE version = the_version AND page = number;
        SELECT a.inserted, a.changed INTO done
        FROM sequin._apply_page(
            the_stream, the_sync, 'stripe', 'stripe:customer', clock_timestamp(), given.ids, given.upstream_ids,
            given.datas, given.hashes, deletions, given.created, no_times, no_parents
        ) AS a;
        inserted := inserted + done.inserted;
        changed := changed + done.changed;
        COMMIT;
    END LOOP;
END
$$;

-- The same loop without the page: its own cost.
CREATE PROCEDURE bench.read_pages(the_version int)
LANGUAGE plpgsql
AS $$
DECLARE
    pages int := (SELECT max(page) FROM bench.pages);
    given bench.pages;
BEGIN
    FOR number IN 1..pages LOOP
        SELECT * INTO given FROM bench.pages WHERE version = the_version AND page = number;
        PERFORM cardinality(given.ids) + cardinality(given.upstream_ids) + cardinality(given.datas)
                + cardinality(given.hashes) + cardinality(given.created);
        COMMIT;
    END LOOP;
END
$$;
