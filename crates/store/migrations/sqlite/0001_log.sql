-- The message log and the settings of one installation.
--
-- Names avoid the reserved words of PostgreSQL ("offset", "user"), so that the same queries serve both.

CREATE TABLE channels (
    id    INTEGER PRIMARY KEY,
    -- As the client protocol names it: room:ID or chat:ID.
    name  TEXT    NOT NULL UNIQUE,
    -- Identity of this run of offsets; made at random with the channel, and never changed.
    epoch TEXT    NOT NULL,
    -- Newest offset ever given, 0 before the first. Kept apart from the messages, so that removing old messages never
    -- makes an offset come again.
    head  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Clustered by place: a page of history is one stretch of the tree.
CREATE TABLE messages (
    channel_id     INTEGER NOT NULL REFERENCES channels (id),
    message_offset INTEGER NOT NULL,
    -- Milliseconds since 1970-01-01 UTC.
    at             INTEGER NOT NULL,
    user_id        TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    -- fan, artist or staff.
    role           TEXT    NOT NULL,
    client_id      TEXT    NOT NULL,
    text           TEXT    NOT NULL,
    PRIMARY KEY (channel_id, message_offset)
) STRICT, WITHOUT ROWID;

-- One sender's message is one message, however often it is sent.
CREATE UNIQUE INDEX messages_by_client_id ON messages (channel_id, user_id, client_id);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
