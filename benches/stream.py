"""A stream that is filled without an API, as records of about 1 kB."""

from harness import Database


def make_stream(database: Database) -> None:
    """A stream and a sync that nobody works on."""
    # Several statements at once are one transaction, so the worker never sees a sync that isn't paused.
    database.sql(
        """SELECT sequin.create_stream('bench');
           SELECT sequin.create_credential('bench', 'stripe', '{"kind": "api_key", "api_key": "sk_test_x"}');
           SELECT sequin.create_sync('bench', 'bench', 'bench', '{customer}');
           SELECT sequin.pause_sync('bench')"""
    )


def fill(database: Database, records: int) -> None:
    """Adds records at the end of the stream."""
    database.sql(
        """INSERT INTO sequin.records (stream_id, id, sync_id, provider, collection_id, upstream_id, data,
                                       updated_idx, observed_at, data_hash, upstream_created_at)
           SELECT s.stream_id, gen_random_uuid(), s.id, 'stripe', 'stripe:customer', 'cus_' || i,
                  jsonb_build_object(
                      'id', 'cus_' || i, 'object', 'customer', 'email', 'user' || i || '@example.com',
                      'balance', 0, 'created', 1700000000 + i, 'currency', 'eur', 'livemode', false,
                      'name', 'Customer number ' || i, 'phone', NULL, 'tax_exempt', 'none',
                      'address', jsonb_build_object('city', 'Berlin', 'country', 'DE',
                                                    'line1', 'Street ' || i, 'line2', NULL,
                                                    'postal_code', '10115', 'state', NULL),
                      'metadata', jsonb_build_object('order', i, 'team', 'eu'),
                      'description', repeat(md5(i::text), 18)),
                  i, now(), gen_random_uuid(), now()
           FROM sequin.syncs AS s,
                (SELECT nextval('sequin.updated_idx') AS i FROM generate_series(1, %s)) AS n""",
        records,
    )
    database.sql("VACUUM ANALYZE sequin.records")
