-- What is followed on a bus, and written down: runs of offsets one after the other, and copies that a broker has let pass.

-- A broker recognises copies for some minutes only: what has come in twice by its rules is there twice. Whoever appends
-- looks for copies first, under the lock on the channel.
CREATE INDEX messages_by_sender ON messages (channel_id, user_id, client_id);
DROP INDEX messages_by_client_id;

-- A channel's older runs are called by its name, '#' and their epoch.
CREATE INDEX channels_by_lane ON channels (split_part(name, '#', 1));

-- Deletions that were written down before what they delete.
CREATE TABLE erasures (
    room           text COLLATE "C" NOT NULL,
    -- The message, or with a sender everything of theirs up to it.
    message_offset bigint           NOT NULL,
    -- A number that tells this sender from others, and not who they are; empty for whoever has said it.
    sender         text COLLATE "C" NOT NULL,
    -- Milliseconds since 1970-01-01 UTC.
    at             bigint           NOT NULL,
    PRIMARY KEY (room, message_offset, sender)
);
