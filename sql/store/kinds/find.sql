-- With the provider in front or without. What one account has under this name, others have too.
SELECT DISTINCT ON (collection_id) split_part(collection_id, ':', 1), key, collection_id, name, title, template
FROM sequin._kinds
WHERE collection_id = $1 OR split_part(collection_id, ':', 2) = $1
ORDER BY collection_id, gone_at DESC NULLS FIRST
