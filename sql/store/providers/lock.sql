-- Whoever makes a credential or a sync for a provider meanwhile waits, or has been waited for.
LOCK TABLE sequin._credentials, sequin.syncs, sequin._providers IN SHARE ROW EXCLUSIVE MODE
