SELECT c.no, c.stream_id, ceil(1000 * extract(epoch FROM c.notify))::bigint, c.updated_at::text
FROM sequin.consumers AS c
WHERE c.notify IS NOT NULL
