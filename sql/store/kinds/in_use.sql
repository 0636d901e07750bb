SELECT k.credential_id, k.key, k.collection_id, k.name, k.title, k.template
FROM sequin._kinds AS k
WHERE EXISTS (SELECT FROM sequin.syncs AS s
              WHERE s.credential_id = k.credential_id AND s.status = 'active' AND k.collection_id = ANY (s.collections))
-- What depends on them changes only when they do.
ORDER BY k.credential_id, k.collection_id
