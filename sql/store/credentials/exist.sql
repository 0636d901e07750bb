SELECT EXISTS (SELECT FROM sequin._credentials)
