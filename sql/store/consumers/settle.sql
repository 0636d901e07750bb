SELECT sequin._ack($1, $2)
