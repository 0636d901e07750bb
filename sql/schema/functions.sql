-- Errors of these are raised after a secret was received: the statement, which holds it, must not be logged with them.
-- Only a superuser may set that, and sequin_worker, which has been granted it.
ALTER FUNCTION sequin.create_oauth_app(text, text, text, text, jsonb) SET log_min_error_statement = 'panic';
ALTER FUNCTION sequin.start_oauth(text, text, text[], text, jsonb) SET log_min_error_statement = 'panic';
ALTER FUNCTION sequin.finish_oauth(text, text, text, jsonb) SET log_min_error_statement = 'panic';

-- Who may call them has no rights on the tables.
ALTER FUNCTION sequin.create_stream(text, jsonb) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.delete_stream(text, boolean) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.register_provider(jsonb) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.delete_provider(text) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.rotate_key(boolean) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.delete_credential(text) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.create_oauth_app(text, text, text, text, jsonb)
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.delete_oauth_app(text) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.start_oauth(text, text, text[], text, jsonb)
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.finish_oauth(text, text, text, jsonb) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.refresh_collections(text) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.create_sync(text, text, text, text[], text, jsonb, interval, jsonb, text, jsonb)
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.update_sync(text, text[], text, jsonb, interval, jsonb, text, jsonb)
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.pause_sync(text) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.resume_sync(text) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.delete_sync(text, boolean) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.start_backfill(text, text, timestamptz) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.cancel_backfill(uuid) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.confirm_deletes(text, text) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.retry_rejected(text, text) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- These look at the caller's rights first, then do the same for themselves; the first two keep their statements out of the
-- log too.
ALTER FUNCTION sequin.create_credential(text, text, jsonb, jsonb) SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.update_credential(text, jsonb, jsonb) SET search_path = pg_catalog, pg_temp;

ALTER FUNCTION sequin.retry_mutation(uuid) SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.dismiss_mutation(uuid) SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION sequin.cancel_mutation(uuid) SET search_path = pg_catalog, pg_temp;

COMMENT ON FUNCTION sequin.create_stream(text, jsonb) IS
    'Makes a stream. name: unique among streams. metadata: a JSON object of the user''s. Returns its id. '
    'Errors: duplicate_object; invalid_parameter_value; null_value_not_allowed.';
COMMENT ON FUNCTION sequin.delete_stream(text, boolean) IS
    'Deletes a stream. force: with its syncs, consumers and records; without it, a stream that has any is refused '
    '(dependent_objects_still_exist). Errors: undefined_object.';
COMMENT ON FUNCTION sequin.register_provider(jsonb) IS
    'Declares an API, so that it can be synced like those that sequin comes with, or replaces the declaration of that '
    'name. spec: see docs/declaring.md. Syncs that use it go on by the new one. Returns its name. '
    'Errors: invalid_parameter_value, with the place in the document; reserved_name; dependent_objects_still_exist '
    'where what credentials or syncs use would be missing.';
COMMENT ON FUNCTION sequin.delete_provider(text) IS
    'Deletes a provider that was registered and that no credential is for. name: see sequin.providers. '
    'Errors: undefined_object; dependent_objects_still_exist; wrong_object_type for one that is built in.';
COMMENT ON FUNCTION sequin.create_credential(text, text, jsonb, jsonb) IS
    'Makes a credential, or replaces the one of this name. provider: see sequin.providers. '
    'properties: {"kind", its secrets, "base_url"}; for Stripe {"kind": "api_key", "api_key": "sk_…"}. base_url is '
    'where the API is, if not where the provider says. metadata: a JSON object of the user''s. Secrets are sealed with '
    'the key in the file that the setting sequin.key_file names, or that sequin.key_command prints. A superuser may give '
    '{"file": "/path"} or {"env": "NAME"} in place of a secret, which then stays there. Returns its id. Give secrets as '
    'bind parameters: what is written into a statement can be logged by the server. '
    'Errors: undefined_object; invalid_parameter_value; duplicate_object where the name is one of another provider; '
    'insufficient_privilege; config_file_error where the key can''t be used.';
COMMENT ON FUNCTION sequin.update_credential(text, jsonb, jsonb) IS
    'Changes a credential. properties: those given are replaced, those that are null taken away, all others stay. '
    'metadata: replaces the old. Whatever failed because of the credential is tried again at once. '
    'Errors: as for sequin.create_credential.';
COMMENT ON FUNCTION sequin.rotate_key(boolean) IS
    'Seals all secrets of this database anew, with a new key that is added to the key file, or with the newest that is '
    'there already where something is sealed with an older one. forget_old_keys: make no new key, and remove all but the '
    'newest from the file, where nothing in the cluster is sealed with them. Returns the fingerprint of the key in use. '
    'Errors: config_file_error; object_in_use for keys that something may be sealed with; active_sql_transaction; '
    'feature_not_supported for forgetting where sequin.key_command gives the keys; null_value_not_allowed.';
COMMENT ON FUNCTION sequin._current_key() IS
    'The fingerprint of the key that seals secrets, as a process of the server has seen it last; NULL: not yet.';
COMMENT ON FUNCTION sequin.delete_credential(text) IS
    'Deletes a credential that no sync uses. Errors: undefined_object; dependent_objects_still_exist.';
COMMENT ON FUNCTION sequin.create_oauth_app(text, text, text, text, jsonb) IS
    'Registers an application of one''s own that others let into their accounts, or replaces the one of this name. '
    'provider: see sequin.providers. client_id, client_secret: what the provider knows the application by; the secret is '
    'sealed. settings: properties that its credentials begin with, none of them secret. Returns its id. '
    'Errors: undefined_object; invalid_parameter_value; duplicate_object where the name is one for another provider; '
    'feature_not_supported where the provider has no authorization; config_file_error.';
COMMENT ON FUNCTION sequin.delete_oauth_app(text) IS
    'Deletes an application with which no credential was made. Errors: undefined_object; dependent_objects_still_exist.';
COMMENT ON FUNCTION sequin.start_oauth(text, text, text[], text, jsonb) IS
    'Begins an authorization, and returns the URL that the user is to be sent to, good for 5 minutes and one use. '
    'app: of sequin.oauth_apps. redirect_uri: where the provider sends the user back to, with code and state. scopes: what '
    'is asked for. state: the caller''s own, up to 5 kB, which sequin.finish_oauth gives back; it is not in the URL. '
    'properties: further ones of the credential to be, none of them secret. '
    'Errors: undefined_object; invalid_parameter_value; config_file_error.';
COMMENT ON FUNCTION sequin.finish_oauth(text, text, text, jsonb) IS
    'Ends an authorization with what the user has brought back, and makes a credential of it, whose first token the worker '
    'gets once the transaction has committed; see token in sequin.credentials. code, state: the parameters of the '
    'redirect. credential: its name; one that exists is authorized anew. metadata: a JSON object of the user''s. '
    'Returns its id and name, and the state that was given to sequin.start_oauth. '
    'Errors: undefined_object where the state is not known, used or too old; duplicate_object where the credential is for '
    'another provider; invalid_parameter_value; config_file_error.';
COMMENT ON FUNCTION sequin.refresh_collections(text) IS
    'Has the API of a credential asked again what it tells of its collections: which there are, and which properties their '
    'objects have. Without it that is asked once a day. credential: its name. Errors: undefined_object.';
COMMENT ON FUNCTION sequin.create_sync(text, text, text, text[], text, jsonb, interval, jsonb, text, jsonb) IS
    'Brings collections of a credential into a stream: a backfill of each first, then their changes. '
    'collections: such as stripe:customer, see sequin.collections; the provider may be left out. '
    'frequency: continuous, or an interval such as 30s, 15m, 4h, 1d. '
    'rate_limit: {"allowed_requests", "interval" in seconds, "max_concurrent_requests"}; by default half of what the '
    'API documents; syncs of one credential share the strictest one. '
    'max_age: objects created longer ago are not stored, and records that grow older are removed; at most 1000 years. '
    'options: what is to be read, where the provider has to be told, each a text or an array of texts; for GitHub '
    '{"repositories": ["owner/name"]} or {"org": "login"}. '
    'external_id, metadata: the user''s. Returns its id. '
    'Errors: undefined_object; duplicate_object; invalid_parameter_value; null_value_not_allowed.';
COMMENT ON FUNCTION sequin.update_sync(text, text[], text, jsonb, interval, jsonb, text, jsonb) IS
    'Changes a sync; what is null stays as it is. A collection that is added is backfilled; one that is taken away '
    'keeps its records, which no longer change. A shorter max_age removes records, a longer one brings none back: a '
    'backfill does. options: in place of all those before; where they are others, everything is read and compared once, '
    'and what is no longer asked for is deleted. Errors: as for sequin.create_sync.';
COMMENT ON FUNCTION sequin.pause_sync(text) IS 'Stops a sync until it is resumed. Errors: undefined_object.';
COMMENT ON FUNCTION sequin.resume_sync(text) IS 'Lets a paused sync go on where it was. Errors: undefined_object.';
COMMENT ON FUNCTION sequin.delete_sync(text, boolean) IS
    'Deletes a sync and its records. keep_records: leave the records in the stream. Errors: undefined_object.';
COMMENT ON FUNCTION sequin.start_backfill(text, text, timestamptz) IS
    'Walks through a collection of a sync once more. since: only objects created from then on, where the API can tell. '
    'Returns the id of the backfill; see sequin.backfill_progress. '
    'Errors: undefined_object; object_in_use where one that was asked for is under way; invalid_parameter_value.';
COMMENT ON FUNCTION sequin.cancel_backfill(uuid) IS
    'Calls a backfill off; what it has brought stays. Errors: undefined_object; object_not_in_prerequisite_state where it '
    'has ended.';
COMMENT ON FUNCTION sequin.confirm_deletes(text, text) IS
    'Lets one sweep of a collection, which starts at once, delete what the last one was stopped from deleting: as many '
    'records as sequin.sync_collections shows as held_back, and at most 100 more. sync, collection: their names. '
    'Returns the id of the sweep; see sequin.backfill_progress. '
    'Errors: undefined_object; object_not_in_prerequisite_state where nothing is held back.';
COMMENT ON FUNCTION sequin.retry_rejected(text, text) IS
    'Has objects that were set aside fetched again, one by one, and stored if they can be now. sync: its name. '
    'collection: NULL for all of the sync''s. Returns how many objects that is; a notice tells which have no id or can''t '
    'be asked for, so that only a backfill can bring them. Errors: undefined_object.';
COMMENT ON FUNCTION sequin.retry_mutation(uuid) IS
    'Has a mutation sent once more that has failed, or whose outcome is uncertain; to the API it is another request. '
    'Errors: undefined_object; object_not_in_prerequisite_state.';
COMMENT ON FUNCTION sequin.dismiss_mutation(uuid) IS
    'Gives up a mutation that has failed, or whose outcome is uncertain: it becomes cancelled and keeps its error, and what '
    'follows of the same record goes on. Errors: undefined_object; object_not_in_prerequisite_state.';
COMMENT ON FUNCTION sequin.cancel_mutation(uuid) IS
    'Takes a mutation back that is pending. Returns false where it is too late. Errors: undefined_object.';
COMMENT ON FUNCTION sequin._check_mutation(text, text, text, text, jsonb, text) IS
    'The ids of the sync and the collection that a mutation names, and what it has in common with others of its object. '
    'Refuses what could never be sent.';
COMMENT ON FUNCTION sequin._announce_mutations() IS
    'Has the workers of this database look for mutations, once the transaction has committed.';
COMMENT ON FUNCTION sequin._check_intervals(text, text, text) IS
    'The seconds between two looks at the feed that a collection listens to, between two polls and between two sweeps '
    'of it, in a sync of this frequency; NULL for what it doesn''t have.';
COMMENT ON FUNCTION sequin._announce_change(uuid) IS
    'Wakes, once the transaction has committed, all sessions that wait for the stream.';
COMMENT ON FUNCTION sequin._announce_work() IS
    'Wakes, once the transaction has committed, the worker of this database.';
COMMENT ON FUNCTION sequin._ask_workers() IS
    'Has the workers of this database look, at once, for credentials that somebody wants to be checked.';
COMMENT ON FUNCTION sequin._wait_for_change(uuid, int) IS
    'Sleeps until the stream changes or the time, in milliseconds, is over; may return for no reason. '
    'True: the time is over.';
COMMENT ON FUNCTION sequin._stop_waiting() IS 'Ends what sequin._wait_for_change has prepared.';
COMMENT ON FUNCTION sequin._in_transaction_block() IS
    'Whether the caller is in a transaction of its own, which goes on after this statement.';
COMMENT ON FUNCTION sequin._announce_extension() IS
    'Tells the launcher, once the transaction has committed, that this database has the extension.';
COMMENT ON FUNCTION sequin._check_name(text, text) IS
    'Raises invalid_parameter_value, or null_value_not_allowed, for what can''t be the name of a consumer or the like.';
COMMENT ON FUNCTION sequin._stream_id(text) IS 'The id of the stream of this name. Errors: undefined_object.';
COMMENT ON FUNCTION sequin._sync_id(text) IS 'The id of the sync of this name. Errors: undefined_object.';
COMMENT ON FUNCTION sequin._failure_hint(text) IS 'What would help against a failure of this class.';
COMMENT ON FUNCTION sequin._declared_providers() IS
    'The providers: those that sequin comes with, and those that were registered.';
COMMENT ON FUNCTION sequin._declared_collections() IS 'The collections of all providers.';
COMMENT ON FUNCTION sequin._declared_fields(text) IS
    'The fields that are declared of a collection: name and type, the path to it in an object, how a time is written, '
    'whether it is written as a text, and whether it is what upstream_id holds. Errors: undefined_object.';
COMMENT ON FUNCTION sequin._declared_writes(text) IS
    'What can be done to the objects of a collection: the actions, the places in an object of what a create and an update '
    'are given, the place that it has in what is given (NULL: it is all of that), the path to its id, whether objects are '
    'merged, and the text that unsets a field (NULL: null does). '
    'Errors: undefined_object.';
COMMENT ON FUNCTION sequin._described_fields(text, uuid, uuid) IS
    'The same of what APIs have told of the objects of a collection that syncs bring: of a stream and of a sync, where they '
    'are given. A field that has the name of a declared one is called by the path to it. Errors: undefined_object.';
COMMENT ON FUNCTION sequin._discovered_collections() IS
    'The collections that are kinds of objects which APIs have told of, with the credential that each was discovered with.';
COMMENT ON FUNCTION sequin._collection_id(text) IS
    'The identifier of a collection; the provider may be left out where only one has such a collection. '
    'Errors: undefined_object; ambiguous_parameter.';
COMMENT ON FUNCTION sequin.as_boolean(text) IS 'Whether the text is true or false; NULL: neither.';
COMMENT ON FUNCTION sequin.as_bigint(text) IS 'The whole number that the text is; NULL: none, or too large.';
COMMENT ON FUNCTION sequin.as_double_precision(text) IS 'About the number that the text is; NULL: none, or too large.';
COMMENT ON FUNCTION sequin.as_numeric(text) IS 'The number that the text is, in digits without an exponent; NULL: none.';
COMMENT ON FUNCTION sequin.as_timestamptz(text, text) IS
    'The time that the text is; NULL: none. format: iso8601 (without an offset it is taken for UTC), unix_seconds or '
    'unix_milliseconds. Errors: invalid_parameter_value for another format.';
COMMENT ON FUNCTION sequin.as_date(text) IS 'The date that the text is, such as 2026-02-28; NULL: none.';
COMMENT ON FUNCTION sequin.as_uuid(text) IS 'The UUID that the text is; NULL: none.';

SELECT sequin._announce_extension();
