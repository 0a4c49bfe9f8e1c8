-- What is followed on a bus, and written down: runs of offsets one after the other, and copies that a broker has let pass.

-- A broker recognises copies for some minutes only: what has come in twice by its rules is there twice. Whoever appends
-- looks for copies first, as the only one who writes.
DROP INDEX messages_by_client_id;
CREATE INDEX messages_by_client_id ON messages (channel_id, user_id, client_id);

-- Deletions that were written down before what they delete.
CREATE TABLE erasures (
    room           TEXT    NOT NULL,
    -- The message, or with a sender everything of theirs up to it.
    message_offset INTEGER NOT NULL,
    -- A number that tells this sender from others, and not who they are; empty for whoever has said it.
    sender         TEXT    NOT NULL,
    -- Milliseconds since 1970-01-01 UTC.
    at             INTEGER NOT NULL,
    PRIMARY KEY (room, message_offset, sender)
) STRICT, WITHOUT ROWID;
