SELECT string_agg(quote_ident(name), ', ' ORDER BY name)
FROM (SELECT name FROM sequin.syncs WHERE credential_id = $1 ORDER BY name LIMIT 20) AS users
