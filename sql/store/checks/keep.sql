INSERT INTO sequin._credential_checks (credential_id, checked_at, ok, class, message, account, scopes)
SELECT c.id, $2, $3, $4, $5, $6, coalesce($7, t.scopes)
FROM sequin._credentials AS c
LEFT JOIN sequin._tokens AS t ON t.credential_id = c.id
WHERE c.id = $1
ON CONFLICT (credential_id) DO UPDATE
SET checked_at = excluded.checked_at, ok = excluded.ok, class = excluded.class, message = excluded.message,
    account = excluded.account, scopes = excluded.scopes
