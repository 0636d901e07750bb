-- Who may do what: docs/security.md has it in words, tests/e2e/test_roles.py for each function, table and view.

-- Nothing is for everybody, and all of it belongs to a role that is no superuser: what runs on the tables has no more rights
-- than that, whatever somebody may have put there.
DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT CASE d.classid WHEN 'pg_catalog.pg_proc'::regclass THEN 'FUNCTION ' || d.objid::regprocedure
                              ELSE 'TABLE ' || d.objid::regclass END AS name
        FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
          AND d.refobjid = (SELECT e.oid FROM pg_catalog.pg_extension AS e WHERE e.extname = 'sequin')
          AND d.classid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_class'::regclass)
          -- The sequence of a column belongs to whom the table belongs to.
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS i
                          WHERE i.classid = d.classid AND i.objid = d.objid AND i.deptype = 'i')
    LOOP
        EXECUTE pg_catalog.format('ALTER %s OWNER TO sequin_worker', part.name);
    END LOOP;
END
$$;
REVOKE ALL ON SCHEMA sequin FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA sequin FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA sequin FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sequin FROM PUBLIC;
GRANT USAGE ON SCHEMA sequin
    TO sequin_worker, sequin_admin, sequin_operator, sequin_consumer, sequin_reader, sequin_writer;

-- Managing. An administrator is an operator too; the sealed secrets are nobody's to read.
GRANT EXECUTE ON FUNCTION
    sequin.create_stream(text, jsonb),
    sequin.delete_stream(text, boolean),
    sequin.register_provider(jsonb),
    sequin.delete_provider(text),
    sequin.create_credential(text, text, jsonb, jsonb),
    sequin.update_credential(text, jsonb, jsonb),
    sequin.delete_credential(text),
    sequin.create_oauth_app(text, text, text, text, jsonb),
    sequin.delete_oauth_app(text),
    sequin.start_oauth(text, text, text[], text, jsonb),
    sequin.finish_oauth(text, text, text, jsonb),
    sequin.create_sync(text, text, text, text[], text, jsonb, interval, jsonb, text, jsonb),
    sequin.update_sync(text, text[], text, jsonb, interval, jsonb, text, jsonb),
    sequin.delete_sync(text, boolean),
    sequin.create_consumer(text, text, jsonb, text, interval, int, int, jsonb, text, interval),
    sequin.update_consumer(text, jsonb, interval, int, int, jsonb, interval),
    sequin.delete_consumer(text),
    sequin.grant_stream(text, regrole, text),
    sequin.revoke_stream(text, regrole, text),
    sequin.grant_consumer(text, regrole),
    sequin.revoke_consumer(text, regrole),
    sequin.grant_mutations(text, regrole),
    sequin.revoke_mutations(text, regrole)
TO sequin_admin;
GRANT SELECT ON sequin.records, sequin.rejected_records, sequin.dead_letters, sequin.grants, sequin._discovered
TO sequin_admin;

-- Operating: how everything is doing, and what helps, but nothing of what an API holds.
GRANT EXECUTE ON FUNCTION
    sequin.pause_sync(text),
    sequin.resume_sync(text),
    sequin.wait_for_sync(text, interval),
    sequin.start_backfill(text, text, timestamptz),
    sequin.cancel_backfill(uuid),
    sequin.confirm_deletes(text, text),
    sequin.retry_rejected(text, text),
    sequin.refresh_collections(text),
    sequin.check_credential(text, interval),
    sequin.pause_consumer(text),
    sequin.resume_consumer(text),
    sequin.replay(text, bigint, timestamptz),
    sequin.requeue(text, uuid[])
TO sequin_operator;
GRANT SELECT ON
    sequin.streams,
    sequin.credentials,
    sequin.oauth_apps,
    sequin._providers,
    sequin._kinds,
    sequin.providers,
    sequin.collections,
    sequin.syncs,
    sequin.sync_collections,
    sequin.status,
    sequin.sync_log,
    sequin.workers,
    sequin.backfills,
    sequin.backfill_progress,
    sequin.consumers,
    sequin.consumer_status,
    sequin.mutation_status
TO sequin_operator;
GRANT SELECT (id, stream_id, sync_id, collection_id, upstream_id, reason, first_seen_at, retry_requested_at, retry_error)
    ON sequin.rejected_records TO sequin_operator;
GRANT SELECT (id, sync, sync_id, collection_id, action, upstream_id, parent_id, state, no, key, attempts, created_at, created_by,
              sent_at, retry_at, finished_at, error, error_class, error_code, status, updated_idx, in_line, turn)
    ON sequin.mutations TO sequin_operator;

-- Consuming. Which consumers, these functions ask sequin._granted_consumers.
GRANT EXECUTE ON FUNCTION
    sequin.consume(text, int, interval, text[]),
    sequin.ack(text, text[]),
    sequin.nack(text, text[], interval),
    sequin.extend(text, text[], interval),
    sequin.fetch(text, int, interval)
TO sequin_admin, sequin_consumer;
GRANT SELECT ON sequin._granted_consumers, sequin.consumers, sequin.dead_letters TO sequin_consumer;

-- Reading. Which streams, the policies say, and the views themselves: see grants.sql.
GRANT EXECUTE ON FUNCTION
    sequin.read_stream(text, bigint, int, jsonb),
    sequin.record_json(sequin.records),
    sequin.create_view(text, text, text, text, text, text[], boolean),
    sequin.as_boolean(text),
    sequin.as_bigint(text),
    sequin.as_double_precision(text),
    sequin.as_numeric(text),
    sequin.as_timestamptz(text, text),
    sequin.as_date(text),
    sequin.as_uuid(text)
TO sequin_admin, sequin_reader;
GRANT SELECT ON
    sequin._granted_streams,
    sequin._providers,
    sequin._kinds,
    sequin._discovered,
    sequin.records,
    sequin.rejected_records,
    sequin.streams,
    sequin.syncs,
    sequin.sync_collections,
    sequin.status
TO sequin_reader;

-- Having APIs changed. Through which syncs, the policies say, and the functions ask sequin._granted_mutations. What nobody
-- may give, the trigger fills in.
GRANT INSERT (id, sync, collection_id, action, upstream_id, data, parent_id)
    ON sequin.mutations TO sequin_admin, sequin_writer;
GRANT SELECT ON sequin.mutations TO sequin_admin, sequin_writer;
GRANT SELECT ON sequin._granted_mutations TO sequin_writer;
GRANT SELECT ON sequin._writable_syncs TO sequin_admin, sequin_writer;
GRANT EXECUTE ON FUNCTION
    sequin.mutate(text, text, text, text, jsonb, text),
    sequin.await_mutation(uuid, interval, text[]),
    sequin.retry_mutation(uuid),
    sequin.dismiss_mutation(uuid),
    sequin.cancel_mutation(uuid),
    sequin._find_mutation(uuid),
    sequin._await_mutation(uuid, interval, text[])
TO sequin_admin, sequin_writer;

-- What the functions above call, and the views, with the rights of the caller.
GRANT EXECUTE ON FUNCTION
    sequin._stream_id(text),
    sequin._sync_id(text),
    sequin._collection_id(text),
    sequin._described_fields(text, uuid, uuid),
    sequin._discovered_fields(text, uuid),
    sequin._column_names(text[], text[]),
    sequin._field_expression(text, text[], text),
    sequin._path_within(text[], text[]),
    sequin._write_plan(text, uuid, uuid, jsonb, text[]),
    -- To make a trigger of it. It runs with the rights of whoever writes, and calls those below.
    sequin._write_through(),
    sequin._check_filter(jsonb, uuid),
    sequin._filter_names(jsonb, text),
    sequin._filter_syncs(text[])
TO sequin_admin, sequin_reader;
GRANT EXECUTE ON FUNCTION
    sequin._sync_to_write(jsonb, uuid),
    sequin._json_value(text, jsonb, jsonb),
    sequin._with_member(jsonb, text[], jsonb),
    sequin._unset_missing(jsonb, jsonb, jsonb),
    sequin._changed_members(jsonb, jsonb, jsonb)
TO sequin_admin, sequin_writer;
GRANT EXECUTE ON FUNCTION
    sequin._record_json(sequin.records, jsonb, text),
    sequin._sync_json(sequin.syncs),
    sequin._build_record_json(uuid, uuid, jsonb, text, text, text, text, jsonb, boolean, timestamptz, bigint, timestamptz,
                              timestamptz)
TO sequin_admin, sequin_reader, sequin_consumer;
GRANT EXECUTE ON FUNCTION
    sequin._declared_fields(text),
    sequin._declared_writes(text),
    sequin._check_intervals(text, text, text),
    sequin._failure_hint(text),
    sequin._health_of(text, int)
TO sequin_operator, sequin_reader;
GRANT EXECUTE ON FUNCTION
    sequin._declared_providers(),
    sequin._declared_collections(),
    sequin._discovered_collections(),
    sequin._lease_key(uuid),
    sequin._current_key(),
    sequin._count_beyond(sequin.consumers, bigint)
TO sequin_operator;
