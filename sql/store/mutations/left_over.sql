SELECT m.no, m.id, m.collection_id, m.action, m.upstream_id, m.data::text, m.key::text, m.sent_at, m.attempts,
       m.parent_id, m.made
FROM sequin.mutations AS m
WHERE m.sync_id = $1 AND m.finished_at IS NULL AND m.state = 'sending'
