UPDATE sequin.backfills SET deletions = deletions + $2 WHERE id = $1
