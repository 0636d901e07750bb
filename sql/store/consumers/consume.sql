SELECT * FROM sequin._consume($1, $2, $3)
