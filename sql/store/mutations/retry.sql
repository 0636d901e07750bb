-- Under another key: under the old one the API would repeat what it has answered.
UPDATE sequin.mutations
SET state = 'pending', key = gen_random_uuid(), sent_at = NULL, retry_at = NULL, finished_at = NULL, in_line = false,
    made = false
WHERE id = $1 AND state IN ('uncertain', 'failed')
