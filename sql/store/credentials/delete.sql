DELETE FROM sequin._credentials WHERE id = $1
