INSERT INTO sequin.streams (id, name, metadata)
VALUES ($1, $2, $3)
ON CONFLICT (name) DO NOTHING
RETURNING id
