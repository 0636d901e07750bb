SELECT s.id, s.stream_id, s.provider, s.collections, s.options
FROM sequin.syncs AS s
WHERE s.name = $1
FOR UPDATE
