-- What encoders publish with, beside the keys of the configuration. One that is revoked is gone; the audit log knows of it.

CREATE TABLE stream_keys (
    id         TEXT   PRIMARY KEY,
    channel    TEXT   NOT NULL,
    -- What people call it.
    name       TEXT   NOT NULL,
    -- SHA-256 of what an encoder shows; the key itself is nowhere.
    key_hash   BYTEA  NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    -- From when on it is good for nothing; NULL: it has no end.
    expires_at BIGINT
);
CREATE INDEX stream_keys_by_channel ON stream_keys (channel, id);
