-- Those of the syncs with something to be sent, or to be let go.
SELECT s.id
FROM unnest($1::uuid[]) AS s (id)
WHERE EXISTS (SELECT FROM sequin.mutations AS m
              WHERE m.sync_id = s.id AND m.finished_at IS NULL AND m.state = 'pending' AND NOT m.in_line)
   OR EXISTS (SELECT FROM sequin.mutations AS m
              WHERE m.sync_id = s.id AND m.in_line AND m.state IN ('done', 'failed', 'cancelled'))
