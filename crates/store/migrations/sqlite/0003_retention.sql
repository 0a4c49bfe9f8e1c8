-- How far messages have been let go of, and rooms that nothing may be let go of.

-- Texts up to this offset, inclusive, may be gone; events stay.
ALTER TABLE channels ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;

-- Rooms under legal hold.
CREATE TABLE holds (
    room  TEXT    PRIMARY KEY,
    -- Milliseconds since 1970-01-01 UTC.
    since INTEGER NOT NULL
) STRICT;
