UPDATE sequin.syncs SET status = $2, status_since = now(), updated_at = now() WHERE id = $1 AND status <> $2
