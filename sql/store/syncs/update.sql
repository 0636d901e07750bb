UPDATE sequin.syncs
SET collections = coalesce($2, collections),
    frequency = coalesce($3, frequency),
    rate_limit = coalesce($4, rate_limit),
    max_age = coalesce($5, max_age),
    options = coalesce($6, options),
    external_id = coalesce($7, external_id),
    metadata = coalesce($8, metadata),
    updated_at = now()
WHERE id = $1
