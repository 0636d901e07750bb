SELECT m.id
FROM sequin.mutations AS m
JOIN sequin._granted_mutations AS g ON g.sync_id = m.sync_id
WHERE m.id = $1
