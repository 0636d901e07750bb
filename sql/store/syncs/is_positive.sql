SELECT $1 > interval '0'
