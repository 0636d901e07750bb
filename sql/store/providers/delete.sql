DELETE FROM sequin._providers WHERE name = $1
