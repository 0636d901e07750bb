-- The roles that rights are granted to, in rights.sql. They belong to the cluster: another database may have made them, and
-- they stay when the extension is dropped.
DO $$
DECLARE
    the_role record;
BEGIN
    -- Whoever owns the schema, or has put something into it, could put something of theirs in place of ours.
    IF EXISTS (SELECT FROM pg_catalog.pg_namespace AS n
               JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner
               WHERE n.nspname = 'sequin'
                 AND (NOT o.rolsuper
                      OR EXISTS (SELECT FROM pg_catalog.aclexplode(n.nspacl) AS a
                                 WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner)
                      OR EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                                 WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = n.oid
                                   AND d.classid <> 'pg_catalog.pg_extension'::regclass))) THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = 'the schema sequin is there already, and is not empty or not a superuser''s alone',
            DETAIL = 'What others can put into it could be called in place of what the extension consists of.',
            HINT = 'Drop or rename it: CREATE EXTENSION makes the schema itself.';
    END IF;
    FOR the_role IN
        SELECT *
        FROM (VALUES
            ('sequin_worker', 'Owns the tables of sequin; its workers and functions run as it. Not to be granted.'),
            ('sequin_admin', 'May manage streams, credentials, syncs and consumers of sequin, and see all they hold.'),
            ('sequin_operator', 'May look at the syncs and consumers of sequin, pause and resume them, start backfills.'),
            ('sequin_consumer', 'May take records of sequin, from the consumers that are granted to it.'),
            ('sequin_reader', 'May read records of sequin, of the streams that are granted to it.'),
            ('sequin_writer', 'May have APIs changed by sequin, through the syncs that are granted to it.')
        ) AS made (name, purpose)
    LOOP
        BEGIN
            EXECUTE pg_catalog.format('CREATE ROLE %I', the_role.name);
            EXECUTE pg_catalog.format('COMMENT ON ROLE %I IS %L', the_role.name, the_role.purpose);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            -- Also where another database makes it at this moment.
            IF EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = the_role.name AND r.rolsuper) THEN
                RAISE object_not_in_prerequisite_state USING
                    MESSAGE = pg_catalog.format('the role %I is there already, and is a superuser', the_role.name),
                    DETAIL = 'The roles of sequin stand for some rights in its schema and for no others.',
                    HINT = pg_catalog.format('Rename it, or take that from it: ALTER ROLE %I NOSUPERUSER.', the_role.name);
            ELSIF EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = the_role.name AND r.rolcanlogin) THEN
                -- CREATE EXTENSION lets no mere notice through.
                RAISE WARNING USING
                    MESSAGE = pg_catalog.format('the role %I is there already, and may log in', the_role.name),
                    DETAIL = 'It is used as it is: whoever logs in as it has its rights.',
                    HINT = pg_catalog.format('ALTER ROLE %I NOLOGIN makes it one that is only granted.', the_role.name);
            END IF;
        END;
    END LOOP;
    IF NOT pg_catalog.pg_has_role('sequin_admin', 'sequin_operator', 'MEMBER') THEN
        GRANT sequin_operator TO sequin_admin;
    END IF;
    -- What a function sets to keep a secret out of the log. Not again, as two databases at a time would fail.
    IF NOT pg_catalog.has_parameter_privilege('sequin_worker', 'log_min_error_statement', 'SET') THEN
        GRANT SET ON PARAMETER log_min_error_statement TO sequin_worker;
    END IF;
END
$$;
