SELECT s.id, s.stream_id, s.provider, s.frequency, s.rate_limit, s.credential_id, s.updated_at::text,
       extract(epoch FROM s.max_age)::bigint, s.options
FROM sequin.syncs AS s
WHERE s.status = 'active'
