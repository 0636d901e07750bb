SELECT state FROM sequin.backfills WHERE id = $1
