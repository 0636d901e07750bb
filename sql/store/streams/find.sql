SELECT id FROM sequin.streams WHERE name = $1
