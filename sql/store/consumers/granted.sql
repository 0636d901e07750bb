SELECT true FROM sequin._granted_consumers AS c WHERE c.name = $1
