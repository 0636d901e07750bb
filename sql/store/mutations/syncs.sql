SELECT s.id
FROM sequin.syncs AS s
WHERE s.status = 'active' AND EXISTS (SELECT FROM sequin.mutations AS m WHERE m.sync_id = s.id)
