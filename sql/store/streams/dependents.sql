SELECT string_agg(dependent, ', ' ORDER BY dependent)
FROM (
    (SELECT 'sync ' || quote_ident(name) AS dependent FROM sequin.syncs WHERE stream_id = $1 LIMIT 20)
    UNION ALL
    (SELECT 'consumer ' || quote_ident(name) FROM sequin.consumers WHERE stream_id = $1 LIMIT 20)
) AS dependents
