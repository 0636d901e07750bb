-- The APIs that were declared in this database.
CREATE TABLE sequin._providers (
    name        text        PRIMARY KEY,
    spec        jsonb       NOT NULL,
    -- Another one with each change, also of one that was deleted and registered again: whoever has read the spec knows
    -- whether it is still the same.
    version     bigint      NOT NULL
                DEFAULT (1000000 * extract(epoch FROM pg_catalog.clock_timestamp()))::bigint,
    inserted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at  timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TABLE sequin._credentials (
    id              uuid        PRIMARY KEY,
    name            text        NOT NULL UNIQUE,
    provider        text        NOT NULL,
    -- What is no secret, "kind" among it.
    settings        jsonb       NOT NULL,
    -- The names of the secrets, for the masked view.
    secret_names    text[]      NOT NULL,
    -- The secrets: sealed with the key that key_id identifies.
    sealed          bytea       NOT NULL,
    key_id          text        NOT NULL,
    metadata        jsonb       NOT NULL DEFAULT '{}',
    inserted_at     timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE sequin._credentials IS 'Credentials with their sealed secrets; look at sequin.credentials.';

-- Applications of the user's own that others let into their accounts.
CREATE TABLE sequin._oauth_apps (
    id          uuid        PRIMARY KEY,
    name        text        NOT NULL UNIQUE,
    provider    text        NOT NULL,
    client_id   text        NOT NULL,
    -- The properties that its credentials begin with; none is secret.
    settings    jsonb       NOT NULL,
    -- The client's secret, where it has one.
    sealed      bytea       NOT NULL,
    key_id      text        NOT NULL,
    inserted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);

CREATE VIEW sequin.oauth_apps AS
SELECT id, name, provider, client_id, settings, inserted_at, updated_at
FROM sequin._oauth_apps;
COMMENT ON VIEW sequin.oauth_apps IS
    'Applications of the user''s own that others let into their accounts. Their secrets are not shown.';

-- Authorizations that have been begun. A row is good for one sequin.finish_oauth, and gone with it.
CREATE TABLE sequin._oauth_flows (
    id           uuid        PRIMARY KEY,
    app_id       uuid        NOT NULL REFERENCES sequin._oauth_apps ON DELETE CASCADE,
    -- SHA-256 of the state in the URL: who reads the table can't finish what others have begun.
    state_hash   bytea       NOT NULL UNIQUE,
    redirect_uri text        NOT NULL,
    settings     jsonb       NOT NULL,
    -- What the code is bound to, and the user's own state.
    sealed       bytea       NOT NULL,
    key_id       text        NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX ON sequin._oauth_flows (expires_at);

-- The access tokens of credentials whose kind has any.
CREATE TABLE sequin._tokens (
    credential_id uuid        PRIMARY KEY REFERENCES sequin._credentials ON DELETE CASCADE,
    -- The tokens, or the code that the first one is given for. NULL: none yet, and the credential's own secrets will do.
    sealed        bytea,
    key_id        text,
    scopes        text,
    refreshed_at  timestamptz,
    -- NULL: it is good until it is refused.
    expires_at    timestamptz,
    -- NULL: only when it is refused.
    renew_at      timestamptz DEFAULT pg_catalog.clock_timestamp(),
    changed_at    timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    -- A request for a token that may have been answered without the answer being known. NULL: there is none.
    attempt       uuid,
    -- When a token came after there had been failures.
    recovered_at  timestamptz,
    -- As in _feeds.
    failure_class text,
    error         text,
    failed_at     timestamptz,
    failures      int         NOT NULL DEFAULT 0,
    retry_at      timestamptz
);

-- What an API has told of the objects of a collection, for all that uses a credential.
CREATE TABLE sequin._discovered (
    credential_id uuid   NOT NULL REFERENCES sequin._credentials ON DELETE CASCADE,
    collection_id text   NOT NULL,
    -- Their names, in the order of the alphabet.
    properties    text[] NOT NULL,
    -- What each is in SQL. NULL: the API doesn't tell.
    types         text[],
    -- NULL: it is to be asked again at once.
    discovered_at timestamptz,
    PRIMARY KEY (credential_id, collection_id)
);

-- How the list of the kinds of objects that a credential's account has is known, where the API has such a list.
CREATE TABLE sequin._kind_lists (
    credential_id uuid        PRIMARY KEY REFERENCES sequin._credentials ON DELETE CASCADE,
    -- When the API was asked for it last. NULL: it is not known yet.
    listed_at     timestamptz,
    -- It is to be asked again, unless that was later.
    wanted_at     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    -- As in _feeds.
    failure_class text,
    error         text,
    failures      int         NOT NULL DEFAULT 0,
    retry_at      timestamptz
);

-- Collections that are not declared one by one: the kinds of objects that an account has.
CREATE TABLE sequin._kinds (
    credential_id uuid NOT NULL REFERENCES sequin._credentials ON DELETE CASCADE,
    -- Never changes, whatever becomes of the kind.
    collection_id text NOT NULL,
    -- What the kind is known by when it is renamed.
    key           text NOT NULL,
    -- What the API calls it.
    name          text NOT NULL,
    title         text NOT NULL,
    -- By which template of the declaration the collection is made.
    template      text NOT NULL,
    -- Since when the API does not list it any more.
    gone_at       timestamptz,
    PRIMARY KEY (credential_id, collection_id)
);
CREATE INDEX ON sequin._kinds (collection_id);

-- What sequin.check_credential was answered last.
CREATE TABLE sequin._credential_checks (
    credential_id uuid        PRIMARY KEY REFERENCES sequin._credentials ON DELETE CASCADE,
    checked_at    timestamptz NOT NULL,
    ok            boolean     NOT NULL,
    class         text,
    message       text,
    account       text,
    scopes        text
);

-- Until when an API has asked all that uses a credential to be silent.
CREATE TABLE sequin._credential_pauses (
    credential_id uuid        PRIMARY KEY REFERENCES sequin._credentials ON DELETE CASCADE,
    paused_until  timestamptz NOT NULL
);

CREATE VIEW sequin.credentials AS
SELECT c.id,
       c.name,
       c.provider,
       c.settings ->> 'kind' AS kind,
       c.settings || coalesce((SELECT pg_catalog.jsonb_object_agg(secret, '********')
                               FROM pg_catalog.unnest(c.secret_names) AS secret), '{}') AS properties,
       c.metadata,
       c.inserted_at,
       c.updated_at,
       CASE
           WHEN t.credential_id IS NULL THEN NULL
           WHEN t.failure_class = 'credential' THEN 'refused'
           WHEN t.failures > 0 THEN 'failing'
           WHEN t.refreshed_at IS NULL THEN 'pending'
           WHEN t.expires_at <= pg_catalog.clock_timestamp() THEN 'expired'
           ELSE 'valid'
       END AS token,
       t.expires_at AS token_expires_at,
       t.refreshed_at AS token_refreshed_at,
       t.error AS token_error,
       k.checked_at,
       k.ok AS accepted,
       c.key_id,
       c.key_id = sequin._current_key() AS key_is_current
FROM sequin._credentials AS c
LEFT JOIN sequin._tokens AS t ON t.credential_id = c.id
LEFT JOIN sequin._credential_checks AS k ON k.credential_id = c.id;
COMMENT ON VIEW sequin.credentials IS
    'Credentials, their secrets masked. token: of a kind with access tokens, how the one in use is: pending, valid, '
    'expired, failing (it can''t be renewed now) or refused (it can''t be renewed any more). checked_at, accepted: by '
    'sequin.check_credential. key_id, key_is_current: the fingerprint of the key that the secrets are sealed with, and '
    'whether it is the newest.';

CREATE TABLE sequin.syncs (
    id            uuid        PRIMARY KEY,
    name          text        NOT NULL UNIQUE,
    stream_id     uuid        NOT NULL REFERENCES sequin.streams,
    credential_id uuid        NOT NULL REFERENCES sequin._credentials,
    provider      text        NOT NULL,
    collections   text[]      NOT NULL,
    frequency     text        NOT NULL,
    rate_limit    jsonb,
    max_age       interval,
    options       jsonb       NOT NULL DEFAULT '{}',
    external_id   text,
    metadata      jsonb       NOT NULL DEFAULT '{}',
    status        text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused')),
    status_since  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    initial_backfill_completed_at timestamptz,
    inserted_at   timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at    timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX ON sequin.syncs (stream_id);
CREATE INDEX ON sequin.syncs (credential_id);
COMMENT ON TABLE sequin.syncs IS 'A sync brings collections of one credential into one stream.';

-- Where each feed of events of a sync stands. Collections that share a feed share its cursor.
CREATE TABLE sequin._feeds (
    sync_id       uuid        NOT NULL REFERENCES sequin.syncs ON DELETE CASCADE,
    feed          text        NOT NULL,
    -- Each event that occurred before is in the stream. NULL: the feed has not been looked at yet.
    cursor        timestamptz,
    polled_at     timestamptz,
    -- NULL: it is not failing. The last error stays when it is over.
    failure_class text,
    error         text,
    failed_at     timestamptz,
    failures      int         NOT NULL DEFAULT 0,
    failing_since timestamptz,
    retry_at      timestamptz,
    PRIMARY KEY (sync_id, feed)
);

CREATE TABLE sequin._sync_collections (
    stream_id     uuid        NOT NULL,
    sync_id       uuid        NOT NULL REFERENCES sequin.syncs ON DELETE CASCADE,
    collection_id text        NOT NULL,
    feed          text,
    added_at      timestamptz NOT NULL DEFAULT pg_catalog.now(),
    backfilled_at timestamptz,
    -- For a collection that is polled: the newest upstream_updated_at or, where the list can't be limited to changes,
    -- upstream_created_at that was seen.
    cursor        timestamptz,
    polled_at     timestamptz,
    -- The newest deletion that was listed.
    deletes_cursor    timestamptz,
    deletes_polled_at timestamptz,
    swept_at      timestamptz,
    last_success_at timestamptz,
    -- As in _feeds.
    failure_class text,
    error         text,
    failed_at     timestamptz,
    failures      int         NOT NULL DEFAULT 0,
    failing_since timestamptz,
    retry_at      timestamptz,
    -- What a sweep has not found and the guard has held back. NULL: nothing.
    guarded_at      timestamptz,
    guarded_missing bigint,
    guarded_total   bigint,
    -- The lists that could not be read and were passed over: what each is called, the class of the failure, the API's
    -- words, and since when. NULL: none.
    unread          jsonb,
    -- As it was last announced; _collection_health has what it is.
    health          text        NOT NULL DEFAULT 'healthy',
    health_since    timestamptz NOT NULL DEFAULT pg_catalog.now(),
    -- When it was the first to recover of a sync whose collections were all failing.
    outage_ended_at timestamptz,
    PRIMARY KEY (sync_id, collection_id)
);

-- Credentials that an API has not accepted when it was last asked. No foreign key: its check would wait for whoever is
-- changing the credential.
CREATE TABLE sequin._refusals (
    credential_id uuid        PRIMARY KEY,
    since         timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    error         text        NOT NULL
);

CREATE TABLE sequin.backfills (
    id            uuid        PRIMARY KEY,
    stream_id     uuid        NOT NULL,
    sync_id       uuid        NOT NULL REFERENCES sequin.syncs ON DELETE CASCADE,
    collection_id text        NOT NULL,
    kind          text        NOT NULL CHECK (kind IN ('initial', 'manual', 'sweep')),
    since         timestamptz,
    state         text        NOT NULL DEFAULT 'pending'
                  CHECK (state IN ('pending', 'running', 'completed', 'cancelled')),
    pages         bigint      NOT NULL DEFAULT 0,
    records       bigint      NOT NULL DEFAULT 0,
    changes       bigint      NOT NULL DEFAULT 0,
    rejected      bigint      NOT NULL DEFAULT 0,
    -- Objects that a sweep has found to be gone.
    deletions     bigint      NOT NULL DEFAULT 0,
    -- So many missing objects have been confirmed with confirm_deletes.
    may_delete    bigint,
    requested_at  timestamptz NOT NULL DEFAULT pg_catalog.now(),
    started_at    timestamptz,
    last_page_at  timestamptz,
    finished_at   timestamptz
);
-- One unfinished backfill of each kind at a time; the index serves the worker too.
CREATE UNIQUE INDEX backfills_unfinished ON sequin.backfills (sync_id, collection_id, kind)
    WHERE state IN ('pending', 'running');
CREATE INDEX ON sequin.backfills (sync_id, collection_id);
COMMENT ON TABLE sequin.backfills IS
    'Walks through whole collections: the initial ones, those asked for with start_backfill, and sweeps, '
    'which compare the whole list with the stream.';

-- The ranges of creation time that a backfill is read in side by side; one at first, which is open at both ends. Each has
-- what was created from from_at on and before before_at. A number is never given twice: a page of a range that is gone
-- finds it gone.
CREATE TABLE sequin._backfill_ranges (
    backfill_id uuid        NOT NULL REFERENCES sequin.backfills ON DELETE CASCADE,
    no          int         NOT NULL,
    from_at     timestamptz,
    before_at   timestamptz,
    -- The list comes newest first, and has been read down to here.
    reached_at  timestamptz,
    -- Where it goes on. NULL: at the start, or nowhere if it is done.
    position    jsonb,
    pages       bigint      NOT NULL DEFAULT 0,
    records     bigint      NOT NULL DEFAULT 0,
    done        boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (backfill_id, no)
);

-- Which objects a sweep has seen: a row a page, gone when the sweep is done.
CREATE TABLE sequin._sweep_pages (
    backfill_id  uuid   NOT NULL REFERENCES sequin.backfills ON DELETE CASCADE,
    page         bigint NOT NULL,
    upstream_ids text[] NOT NULL,
    -- The parents whose children the page has shown.
    parent_ids   text[] NOT NULL DEFAULT '{}',
    -- There is no page, as a list was not read: so nothing is known of the children of this parent, or of any records
    -- whose list was not read.
    hidden_parent_id text,
    hides_any    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (backfill_id, page)
);

SELECT pg_catalog.pg_extension_config_dump('sequin.streams', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._providers', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._credentials', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._credential_pauses', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._oauth_apps', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._oauth_flows', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._tokens', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._discovered', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._kind_lists', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._kinds', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._credential_checks', '');
SELECT pg_catalog.pg_extension_config_dump('sequin.syncs', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._feeds', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._sync_collections', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._refusals', '');
SELECT pg_catalog.pg_extension_config_dump('sequin.backfills', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._backfill_ranges', '');
SELECT pg_catalog.pg_extension_config_dump('sequin._sweep_pages', '');

-- Whoever changes what is to be done, wakes the worker: the API, and a restore as well.
CREATE FUNCTION sequin._wake_worker() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM sequin._announce_work();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION sequin._wake_worker() IS 'Wakes the worker of this database once the transaction has committed.';

CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE ON sequin.syncs
    FOR EACH STATEMENT EXECUTE FUNCTION sequin._wake_worker();
CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE ON sequin._credentials
    FOR EACH STATEMENT EXECUTE FUNCTION sequin._wake_worker();
CREATE TRIGGER wake AFTER UPDATE ON sequin._oauth_apps
    FOR EACH STATEMENT EXECUTE FUNCTION sequin._wake_worker();
CREATE TRIGGER wake AFTER INSERT ON sequin._tokens FOR EACH STATEMENT EXECUTE FUNCTION sequin._wake_worker();
CREATE TRIGGER wake AFTER INSERT OR UPDATE OF wanted_at ON sequin._kind_lists
    FOR EACH STATEMENT EXECUTE FUNCTION sequin._wake_worker();
CREATE TRIGGER wake AFTER UPDATE ON sequin._providers
    FOR EACH STATEMENT EXECUTE FUNCTION sequin._wake_worker();
CREATE TRIGGER wake AFTER INSERT ON sequin._feeds FOR EACH STATEMENT EXECUTE FUNCTION sequin._wake_worker();
CREATE TRIGGER wake AFTER INSERT ON sequin._sync_collections
    FOR EACH STATEMENT EXECUTE FUNCTION sequin._wake_worker();
CREATE TRIGGER wake AFTER INSERT ON sequin.backfills FOR EACH STATEMENT EXECUTE FUNCTION sequin._wake_worker();
