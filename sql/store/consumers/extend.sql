SELECT sequin._extend($1, $2, $3)
