-- Small pictures of a channel, which clients show where a message has their codes. One that is removed is gone; the audit log knows
-- of it.

CREATE TABLE emotes (
    -- Never given to another picture: what is under it never changes.
    id         TEXT   PRIMARY KEY,
    channel    TEXT   NOT NULL,
    code       TEXT   NOT NULL,
    media_type TEXT   NOT NULL,
    width      BIGINT NOT NULL,
    height     BIGINT NOT NULL,
    image      BYTEA  NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (channel, code)
);

-- How often the emotes of a channel were changed.
CREATE TABLE emote_sets (
    channel TEXT   PRIMARY KEY,
    version BIGINT NOT NULL
);
