-- Accounts, their sessions, and what was done by whom. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE accounts (
    id         TEXT    PRIMARY KEY,
    -- As it is compared: folded by the caller.
    login      TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    -- A PHC string; NULL for whoever logs in elsewhere.
    password   TEXT,
    role       TEXT    NOT NULL,
    suspended  BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL,
    -- Counts the changes: who changes what they have read says which they read.
    version    BIGINT  NOT NULL
);

CREATE TABLE sessions (
    id         TEXT   PRIMARY KEY,
    -- SHA-256 of what its bearer shows; the token itself is nowhere.
    token_hash BYTEA  NOT NULL UNIQUE,
    account_id TEXT   NOT NULL REFERENCES accounts (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account_id, id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- What makes the first administrator: one row until it has been used.
CREATE TABLE invitations (
    token_hash BYTEA  PRIMARY KEY,
    role       TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE audit (
    id      TEXT   PRIMARY KEY,
    at      BIGINT NOT NULL,
    -- An account's id, or what else did it.
    actor   TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    -- JSON, without secrets and without names of people.
    detail  TEXT   NOT NULL
);

CREATE FUNCTION audit_refuse() RETURNS trigger AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only ever added to';
END
$$ LANGUAGE plpgsql;

CREATE TRIGGER audit_is_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
