-- What is granted of a stream, a consumer or a sync, and to whom. A role that is gone is not dumped: its number could be that of
-- another one where the dump is restored.
CREATE TABLE sequin._stream_grants (
    stream_id uuid    NOT NULL REFERENCES sequin.streams ON DELETE CASCADE,
    grantee   regrole NOT NULL,
    privilege text    NOT NULL CHECK (privilege IN ('read', 'consume')),
    PRIMARY KEY (stream_id, grantee, privilege)
);
CREATE TABLE sequin._consumer_grants (
    consumer_no int     NOT NULL REFERENCES sequin.consumers (no) ON DELETE CASCADE,
    grantee     regrole NOT NULL,
    PRIMARY KEY (consumer_no, grantee)
);
CREATE TABLE sequin._mutation_grants (
    sync_id uuid    NOT NULL REFERENCES sequin.syncs ON DELETE CASCADE,
    grantee regrole NOT NULL,
    PRIMARY KEY (sync_id, grantee)
);
SELECT pg_catalog.pg_extension_config_dump('sequin._stream_grants',
                                           'WHERE grantee IN (SELECT r.oid FROM pg_catalog.pg_roles AS r)');
SELECT pg_catalog.pg_extension_config_dump('sequin._consumer_grants',
                                           'WHERE grantee IN (SELECT r.oid FROM pg_catalog.pg_roles AS r)');
SELECT pg_catalog.pg_extension_config_dump('sequin._mutation_grants',
                                           'WHERE grantee IN (SELECT r.oid FROM pg_catalog.pg_roles AS r)');

CREATE VIEW sequin.grants AS
SELECT 'stream' AS kind, s.name, g.grantee, g.privilege
FROM sequin._stream_grants AS g
JOIN sequin.streams AS s ON s.id = g.stream_id
UNION ALL
SELECT 'consumer', c.name, g.grantee, 'consume'
FROM sequin._consumer_grants AS g
JOIN sequin.consumers AS c ON c.no = g.consumer_no
UNION ALL
SELECT 'sync', s.name, g.grantee, 'mutate'
FROM sequin._mutation_grants AS g
JOIN sequin.syncs AS s ON s.id = g.sync_id;
COMMENT ON VIEW sequin.grants IS 'Which streams, consumers and syncs are granted to which roles.';

-- What the role that asks has been granted. pg_has_role looks at the role that runs the query, also within a view of
-- another owner; within a SECURITY DEFINER function it would look at that function's owner.
CREATE VIEW sequin._granted_streams WITH (security_barrier) AS
SELECT g.stream_id
FROM sequin._stream_grants AS g
WHERE g.privilege = 'read' AND pg_catalog.pg_has_role(g.grantee::oid, 'USAGE');
COMMENT ON VIEW sequin._granted_streams IS 'The streams that the current role may read.';

CREATE VIEW sequin._granted_consumers WITH (security_barrier) AS
SELECT c.no, c.name
FROM sequin.consumers AS c
WHERE EXISTS (SELECT FROM sequin._consumer_grants AS g
              WHERE g.consumer_no = c.no AND pg_catalog.pg_has_role(g.grantee::oid, 'USAGE'))
   OR EXISTS (SELECT FROM sequin._stream_grants AS g
              WHERE g.stream_id = c.stream_id AND g.privilege = 'consume'
                AND pg_catalog.pg_has_role(g.grantee::oid, 'USAGE'));
COMMENT ON VIEW sequin._granted_consumers IS 'The consumers that the current role may take records from.';

CREATE VIEW sequin._granted_mutations WITH (security_barrier) AS
SELECT s.id AS sync_id, s.name AS sync
FROM sequin._mutation_grants AS g
JOIN sequin.syncs AS s ON s.id = g.sync_id
WHERE pg_catalog.pg_has_role(g.grantee::oid, 'USAGE');
COMMENT ON VIEW sequin._granted_mutations IS 'The syncs through which the current role may have changes made.';

CREATE VIEW sequin._visible_streams AS
SELECT s.id
FROM sequin.streams AS s
WHERE (SELECT pg_catalog.pg_has_role('sequin_operator', 'USAGE'))
   OR s.id IN (SELECT g.stream_id FROM sequin._granted_streams AS g);
COMMENT ON VIEW sequin._visible_streams IS 'The streams whose syncs the views show to the current role.';

-- Whom the tables belong to, the workers among them, no policy concerns. An array, as it is made once for a query, and an
-- index can look for its elements.
ALTER TABLE sequin.records ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON sequin.records FOR SELECT TO sequin_admin USING (true);
CREATE POLICY granted ON sequin.records FOR SELECT TO sequin_reader
    USING (stream_id = ANY (ARRAY(SELECT g.stream_id FROM sequin._granted_streams AS g)));

ALTER TABLE sequin.rejected_records ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON sequin.rejected_records FOR SELECT TO sequin_operator USING (true);
CREATE POLICY granted ON sequin.rejected_records FOR SELECT TO sequin_reader
    USING (stream_id = ANY (ARRAY(SELECT g.stream_id FROM sequin._granted_streams AS g)));

ALTER TABLE sequin.streams ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON sequin.streams FOR SELECT TO sequin_operator USING (true);
CREATE POLICY granted ON sequin.streams FOR SELECT TO sequin_reader
    USING (id = ANY (ARRAY(SELECT g.stream_id FROM sequin._granted_streams AS g)));

ALTER TABLE sequin.syncs ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON sequin.syncs FOR SELECT TO sequin_operator USING (true);
CREATE POLICY granted ON sequin.syncs FOR SELECT TO sequin_reader
    USING (stream_id = ANY (ARRAY(SELECT g.stream_id FROM sequin._granted_streams AS g)));

ALTER TABLE sequin.consumers ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON sequin.consumers FOR SELECT TO sequin_operator USING (true);
CREATE POLICY granted ON sequin.consumers FOR SELECT TO sequin_consumer
    USING (no = ANY (ARRAY(SELECT g.no FROM sequin._granted_consumers AS g)));

CREATE FUNCTION sequin._check_grant(function text, kind text, name text, role regrole) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF name IS NULL OR role IS NULL THEN
        RAISE null_value_not_allowed USING
            MESSAGE = format('arguments of sequin.%s can''t be null', function),
            DETAIL = format('One of %s and role is null.', kind),
            HINT = format('Give the name of a %s, and that of a role.', kind);
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._check_grant(text, text, text, regrole) IS
    'Raises null_value_not_allowed where what is to be granted, or to whom, is null. function, kind: for the message.';

CREATE FUNCTION sequin._tell_of_membership(grantee regrole, group_role regrole) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT pg_has_role(grantee::oid, group_role::oid, 'USAGE') THEN
        RAISE NOTICE USING
            MESSAGE = format('%s is not a member of %s', grantee, group_role),
            DETAIL = 'The grant has no effect until it is.',
            HINT = format('GRANT %s TO %s;', group_role, grantee);
    END IF;
END
$$;
COMMENT ON FUNCTION sequin._tell_of_membership(regrole, regrole) IS
    'A notice where a grant alone is not enough: the right to call anything at all comes with one of the roles of sequin.';

CREATE FUNCTION sequin.grant_stream(stream text, role regrole, privilege text DEFAULT 'read') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    the_stream uuid;
BEGIN
    PERFORM sequin._check_grant('grant_stream', 'stream', stream, role);
    the_stream := sequin._stream_id(stream);
    IF privilege IS NULL OR privilege NOT IN ('read', 'consume') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'bad privilege',
            DETAIL = format('privilege is %s.', coalesce(quote_literal(privilege), 'NULL')),
            HINT = 'It is read, for the records of the stream, or consume, for all of its consumers.';
    END IF;
    INSERT INTO sequin._stream_grants (stream_id, grantee, privilege)
    VALUES (the_stream, role, privilege)
    ON CONFLICT DO NOTHING;
    PERFORM sequin._tell_of_membership(
        role, CASE privilege WHEN 'read' THEN 'sequin_reader' ELSE 'sequin_consumer' END::regrole);
END
$$;
COMMENT ON FUNCTION sequin.grant_stream(text, regrole, text) IS
    'Lets a role read a stream, or take records from all of its consumers, those to come among them. stream: its name. '
    'role: a member of sequin_reader, or of sequin_consumer. privilege: read or consume. '
    'Errors: undefined_object; invalid_parameter_value; null_value_not_allowed.';

CREATE FUNCTION sequin.revoke_stream(stream text, role regrole, privilege text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    the_stream uuid;
BEGIN
    PERFORM sequin._check_grant('revoke_stream', 'stream', stream, role);
    the_stream := sequin._stream_id(stream);
    DELETE FROM sequin._stream_grants AS g
    WHERE g.stream_id = the_stream AND g.grantee = role
      AND (privilege IS NULL OR g.privilege = privilege);
END
$$;
COMMENT ON FUNCTION sequin.revoke_stream(text, regrole, text) IS
    'Takes back what sequin.grant_stream has granted. privilege: NULL for both. Errors: undefined_object; '
    'null_value_not_allowed.';

CREATE FUNCTION sequin.grant_consumer(consumer text, role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    c sequin.consumers;
BEGIN
    PERFORM sequin._check_grant('grant_consumer', 'consumer', consumer, role);
    c := sequin._find_consumer(consumer);
    INSERT INTO sequin._consumer_grants (consumer_no, grantee) VALUES (c.no, role) ON CONFLICT DO NOTHING;
    PERFORM sequin._tell_of_membership(role, 'sequin_consumer');
END
$$;
COMMENT ON FUNCTION sequin.grant_consumer(text, regrole) IS
    'Lets a role take records from a consumer and settle them. consumer: its name. role: a member of sequin_consumer. '
    'Errors: undefined_object; null_value_not_allowed.';

CREATE FUNCTION sequin.revoke_consumer(consumer text, role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    c sequin.consumers;
BEGIN
    PERFORM sequin._check_grant('revoke_consumer', 'consumer', consumer, role);
    c := sequin._find_consumer(consumer);
    DELETE FROM sequin._consumer_grants AS g WHERE g.consumer_no = c.no AND g.grantee = role;
END
$$;
COMMENT ON FUNCTION sequin.revoke_consumer(text, regrole) IS
    'Takes back what sequin.grant_consumer has granted; what has been granted of the whole stream stays. What the role has '
    'in flight expires. Errors: undefined_object; null_value_not_allowed.';

CREATE FUNCTION sequin.grant_mutations(sync text, role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM sequin._check_grant('grant_mutations', 'sync', sync, role);
    INSERT INTO sequin._mutation_grants (sync_id, grantee) VALUES (sequin._sync_id(sync), role) ON CONFLICT DO NOTHING;
    PERFORM sequin._tell_of_membership(role, 'sequin_writer');
END
$$;
COMMENT ON FUNCTION sequin.grant_mutations(text, regrole) IS
    'Lets a role have changes made at the API of a sync, in all of its collections, and see what came of them. sync: its '
    'name. role: a member of sequin_writer. Errors: undefined_object; null_value_not_allowed.';

CREATE FUNCTION sequin.revoke_mutations(sync text, role regrole) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    the_sync uuid;
BEGIN
    PERFORM sequin._check_grant('revoke_mutations', 'sync', sync, role);
    the_sync := sequin._sync_id(sync);
    DELETE FROM sequin._mutation_grants AS g WHERE g.sync_id = the_sync AND g.grantee = role;
END
$$;
COMMENT ON FUNCTION sequin.revoke_mutations(text, regrole) IS
    'Takes back what sequin.grant_mutations has granted. What has been asked for is still done. Errors: undefined_object; '
    'null_value_not_allowed.';
