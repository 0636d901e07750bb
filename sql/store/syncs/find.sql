SELECT s.id, s.stream_id, s.provider, s.collections, s.options, s.credential_id
FROM sequin.syncs AS s
WHERE s.name = $1
FOR UPDATE
