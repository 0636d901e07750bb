SELECT string_agg(quote_ident(name), ', ' ORDER BY name)
FROM (
    SELECT name FROM sequin._credentials WHERE settings ->> 'oauth_app' = $1 ORDER BY name LIMIT 20
) AS users
