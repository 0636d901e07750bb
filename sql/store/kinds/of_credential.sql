-- $2: these collections; NULL: all, those that are gone among them.
SELECT key, collection_id, name, title, template
FROM sequin._kinds
WHERE credential_id = $1 AND collection_id = ANY (coalesce($2, ARRAY[collection_id]))
