INSERT INTO sequin._credential_pauses AS p (credential_id, paused_until)
SELECT id, $2 FROM sequin._credentials WHERE id = $1
ON CONFLICT (credential_id) DO UPDATE SET paused_until = greatest(p.paused_until, excluded.paused_until)
