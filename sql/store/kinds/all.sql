SELECT k.credential_id, c.provider, k.key, k.collection_id, k.name, k.title, k.template
FROM sequin._kinds AS k
JOIN sequin._credentials AS c ON c.id = k.credential_id
WHERE k.gone_at IS NULL
