DELETE FROM sequin.mutations
WHERE id IN (
    SELECT m.id
    FROM sequin.mutations AS m
    -- Those that others stand in line behind are still needed.
    WHERE m.sync_id = $1 AND m.finished_at < $2 AND NOT m.in_line
    ORDER BY m.finished_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
