SELECT greatest((SELECT max(polled_at) FROM sequin._feeds),
                (SELECT max(greatest(polled_at, last_success_at)) FROM sequin._sync_collections),
                (SELECT max(last_page_at) FROM sequin.backfills))
