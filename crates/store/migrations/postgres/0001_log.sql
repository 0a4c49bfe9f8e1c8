-- The message log and the settings of one installation, in a schema of its own.
--
-- Every step leaves what the release before needs: several releases work on one schema at once.

-- Half empty pages: the head of a channel is written over and over, and the new row fits beside the old one.
CREATE TABLE channels (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- As the client protocol names it: room:ID or chat:ID.
    name  text COLLATE "C" NOT NULL UNIQUE,
    -- Identity of this run of offsets; made at random with the channel, and never changed.
    epoch text             NOT NULL,
    -- Newest offset ever given, 0 before the first. Kept apart from the messages, so that removing old messages never
    -- makes an offset come again.
    head  bigint           NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- One partition to a stretch of kept_until: what nobody has to keep any more goes by dropping a partition.
-- A key of a partitioned table holds within one partition only. That no offset and no client id is there twice in two
-- of them follows from the lock on the channel's row, which every append takes first.
CREATE TABLE messages (
    channel_id     bigint           NOT NULL,
    message_offset bigint           NOT NULL,
    -- Milliseconds since 1970-01-01 UTC.
    at             bigint           NOT NULL,
    -- Until when it is kept at least, as above; the largest number for ever.
    kept_until     bigint           NOT NULL,
    user_id        text COLLATE "C" NOT NULL,
    name           text             NOT NULL,
    role           text             NOT NULL,
    client_id      text COLLATE "C" NOT NULL,
    text           text             NOT NULL,
    badge          text,
    -- ISO 639-1, or NULL where the room could not tell.
    language       text,
    -- The message this one answers, and who wrote that.
    reply_offset   bigint,
    reply_user     text,
    -- What happened, as JSON; NULL for what was said.
    event          text,
    -- 1: the text is gone for ever. The row stays, so that its offset and its client id are not given again.
    deleted        integer          NOT NULL DEFAULT 0,
    PRIMARY KEY (channel_id, message_offset, kept_until)
) PARTITION BY RANGE (kept_until);

-- One sender's message is one message, however often it is sent.
CREATE UNIQUE INDEX messages_by_client_id ON messages (channel_id, user_id, client_id, kept_until);

-- A node that opens a room folds its events, which are few among the messages.
CREATE INDEX messages_events ON messages (channel_id, message_offset) WHERE event IS NOT NULL;

-- What is kept for ever.
CREATE TABLE messages_kept PARTITION OF messages FOR VALUES FROM (9223372036854775807) TO (MAXVALUE);

CREATE TABLE settings (
    key   text COLLATE "C" PRIMARY KEY,
    value bytea            NOT NULL
);
