-- Who logs in elsewhere, and what back ends show beside the keys of the configuration. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE identities (
    issuer     TEXT   NOT NULL,
    -- Who they are to that issuer, for good.
    subject    TEXT   NOT NULL,
    account_id TEXT   NOT NULL REFERENCES accounts (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);

-- One that is revoked is gone; the audit log knows of it.
CREATE TABLE api_keys (
    id         TEXT   PRIMARY KEY,
    -- What people call it, and who acts with it where nobody is named.
    name       TEXT   NOT NULL,
    -- What it may be used for, with commas between them.
    scopes     TEXT   NOT NULL,
    -- SHA-256 of what a back end shows; the key itself is nowhere.
    key_hash   BYTEA  NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    -- From when on it is good for nothing; NULL: it has no end.
    expires_at BIGINT
);
