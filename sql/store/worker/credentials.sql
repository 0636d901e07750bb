SELECT c.id, c.name, c.provider, c.settings, c.sealed, c.key_id,
       concat_ws(' ', c.updated_at, a.updated_at, t.recovered_at, d.version), p.paused_until,
       a.id, a.client_id, a.sealed, a.key_id,
       t.sealed, t.key_id, concat_ws(' ', c.updated_at, t.changed_at), t.refreshed_at, t.expires_at, t.renew_at,
       t.failure_class, t.error, t.failures, t.retry_at,
       l.listed_at, l.wanted_at, l.failures, l.retry_at
FROM sequin._credentials AS c
LEFT JOIN sequin._providers AS d ON d.name = c.provider
LEFT JOIN sequin._oauth_apps AS a ON a.name = c.settings ->> 'oauth_app' AND a.provider = c.provider
LEFT JOIN sequin._tokens AS t ON t.credential_id = c.id
LEFT JOIN sequin._kind_lists AS l ON l.credential_id = c.id
LEFT JOIN sequin._credential_pauses AS p ON p.credential_id = c.id AND p.paused_until > clock_timestamp()
WHERE t.credential_id IS NOT NULL OR l.credential_id IS NOT NULL OR c.id = ANY ($1)
   OR EXISTS (SELECT FROM sequin.syncs AS s WHERE s.credential_id = c.id AND s.status = 'active')
