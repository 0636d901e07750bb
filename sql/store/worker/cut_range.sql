INSERT INTO sequin._backfill_ranges (backfill_id, no, from_at, before_at)
VALUES ($1, $2, $3, $4)
