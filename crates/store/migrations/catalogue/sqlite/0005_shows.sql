-- Shows of channels, as they were announced and as they went. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE shows (
    id          TEXT   PRIMARY KEY,
    channel     TEXT   NOT NULL,
    title       TEXT   NOT NULL,
    artist      TEXT   NOT NULL,
    -- Tags of BCP 47, with spaces between them.
    languages   TEXT   NOT NULL,
    home_region TEXT,
    -- scheduled, live, ended or cancelled.
    state       TEXT   NOT NULL,
    -- As it was announced.
    starts_at   BIGINT NOT NULL,
    ends_at     BIGINT NOT NULL,
    -- As it went; what was cancelled ended when that was said.
    started_at  BIGINT,
    ended_at    BIGINT,
    created_at  BIGINT NOT NULL,
    -- Counts the changes: who changes what they have read says which they read.
    version     BIGINT NOT NULL
);
CREATE INDEX shows_by_time ON shows (channel, starts_at, id);
CREATE INDEX shows_open ON shows (channel, starts_at, id) WHERE state IN ('scheduled', 'live');
-- A channel has one at a time.
CREATE UNIQUE INDEX shows_live ON shows (channel) WHERE state = 'live';

-- A key for one show is good until that has ended.
ALTER TABLE stream_keys ADD COLUMN show_id TEXT REFERENCES shows (id) ON DELETE CASCADE;
CREATE INDEX stream_keys_by_show ON stream_keys (show_id);
