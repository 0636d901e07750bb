-- With the credentials of the syncs that bring the collection. $2, $3: only those of this stream, and this sync.
SELECT d.properties, d.types
FROM sequin._discovered AS d
WHERE d.collection_id = $1 AND d.types IS NOT NULL
  AND EXISTS (SELECT FROM sequin.syncs AS s
              WHERE s.credential_id = d.credential_id AND d.collection_id = ANY (s.collections)
                AND s.stream_id = coalesce($2, s.stream_id) AND s.id = coalesce($3, s.id))
