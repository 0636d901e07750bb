SELECT name, settings ->> 'kind', settings ? 'base_url' FROM sequin._credentials WHERE provider = $1 ORDER BY name
