CREATE TABLE sequin.streams (
    id          uuid        PRIMARY KEY,
    name        text        NOT NULL UNIQUE,
    metadata    jsonb       NOT NULL DEFAULT '{}',
    inserted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at  timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE sequin.streams IS
    'A stream holds each record of its syncs once, in its latest version, ordered by updated_idx.';
