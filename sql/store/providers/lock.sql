-- Whoever makes or changes what depends on a provider holds it, see hold.sql.
LOCK TABLE sequin._providers IN SHARE ROW EXCLUSIVE MODE
