-- Nothing where the credential has changed since it was read. Whether an earlier request was never answered.
UPDATE sequin._tokens AS t
SET attempt = $2
FROM sequin._tokens AS old
JOIN sequin._credentials AS c ON c.id = old.credential_id
WHERE t.credential_id = $1 AND old.credential_id = $1 AND concat_ws(' ', c.updated_at, old.changed_at) = $3
RETURNING old.attempt IS NOT NULL
