SELECT sequin._nack($1, $2, $3)
