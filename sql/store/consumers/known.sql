SELECT c.no, c.max_ack_pending, c.providers, sequin._filter_syncs(c.syncs), c.collection_ids,
       sequin._taker_class(c.no), sequin._amount_class(c.no), sequin._aside_key(c.no), sequin._immodest_key(c.no),
       ARRAY(SELECT sequin._modest_key(c.no, place) FROM generate_series(0, 7) AS place)
FROM sequin.consumers AS c
WHERE c.name = $1 AND c.mode = 'queue'
