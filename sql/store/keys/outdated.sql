SELECT 'credential', c.id, c.name, c.sealed, c.key_id
FROM sequin._credentials AS c
WHERE c.key_id <> $1
UNION ALL
SELECT 'app', a.id, a.name, a.sealed, a.key_id
FROM sequin._oauth_apps AS a
WHERE a.key_id <> $1
UNION ALL
SELECT 'flow', f.id, a.name, f.sealed, f.key_id
FROM sequin._oauth_flows AS f
JOIN sequin._oauth_apps AS a ON a.id = f.app_id
WHERE f.key_id <> $1 AND f.expires_at > clock_timestamp()
UNION ALL
SELECT 'token', t.credential_id, c.name, t.sealed, t.key_id
FROM sequin._tokens AS t
JOIN sequin._credentials AS c ON c.id = t.credential_id
WHERE t.key_id <> $1
