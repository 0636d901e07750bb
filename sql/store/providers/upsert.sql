INSERT INTO sequin._providers AS p (name, spec)
VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE
SET spec = excluded.spec, version = greatest(p.version + 1, excluded.version), updated_at = clock_timestamp()
