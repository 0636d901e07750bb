SELECT s.id, s.stream_id, s.provider, s.frequency, s.rate_limit, c.id, c.name, c.settings, c.sealed, c.key_id,
       concat_ws(' ', s.updated_at, c.updated_at, d.version), p.paused_until, extract(epoch FROM s.max_age)::bigint
FROM sequin.syncs AS s
JOIN sequin._credentials AS c ON c.id = s.credential_id
LEFT JOIN sequin._providers AS d ON d.name = s.provider
LEFT JOIN sequin._credential_pauses AS p ON p.credential_id = c.id AND p.paused_until > clock_timestamp()
WHERE s.status = 'active'
