INSERT INTO sequin.syncs (
    id, name, stream_id, credential_id, provider, collections, frequency, rate_limit, max_age, options, external_id,
    metadata
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (name) DO NOTHING
RETURNING id
