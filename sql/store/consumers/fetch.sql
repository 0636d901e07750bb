SELECT * FROM sequin._fetch($1, $2, $3)
