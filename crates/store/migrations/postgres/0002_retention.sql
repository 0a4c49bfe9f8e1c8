-- For how long the texts of a channel are kept, how far they have been let go of, and rooms that nothing may be let go of.

-- Texts up to this offset, inclusive, may be gone; events stay.
ALTER TABLE channels ADD COLUMN floor bigint NOT NULL DEFAULT 0;
-- For how long texts are kept that are written from now on, milliseconds; NULL for ever.
ALTER TABLE channels ADD COLUMN keeps bigint;
-- Behind which offset texts are still filed under another time than that; NULL when all of them are filed.
ALTER TABLE channels ADD COLUMN refile_after bigint;
CREATE INDEX channels_to_refile ON channels (id) WHERE refile_after IS NOT NULL;

-- Rooms under legal hold.
CREATE TABLE holds (
    room  text COLLATE "C" PRIMARY KEY,
    -- Milliseconds since 1970-01-01 UTC.
    since bigint           NOT NULL
);
