SELECT spec::text FROM sequin._providers WHERE name = $1
