-- Who is told what happens, and what they are told. Times are milliseconds since 1970-01-01 UTC.

CREATE TABLE webhooks (
    id         TEXT    PRIMARY KEY,
    url        TEXT    NOT NULL,
    -- The kinds of events, with spaces between them and around all of them.
    kinds      TEXT    NOT NULL,
    -- NULL for all of them.
    channel    TEXT,
    enabled    BOOLEAN NOT NULL,
    -- What its secret is derived with; the secret itself is nowhere.
    salt       BLOB    NOT NULL,
    created_at BIGINT  NOT NULL,
    -- Counts the changes: who changes what they have read says which they read.
    version    BIGINT  NOT NULL,
    -- When something is sent to it next, and how often it has failed in a row.
    due_at     BIGINT  NOT NULL,
    failures   BIGINT  NOT NULL
);

CREATE TABLE deliveries (
    id         TEXT   PRIMARY KEY,
    webhook_id TEXT   NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id   TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    -- When it happened.
    at         BIGINT NOT NULL,
    -- Whose name and words are in the body, if anybody's.
    about      TEXT,
    body       TEXT   NOT NULL,
    -- waiting, taken or dead.
    state      TEXT   NOT NULL,
    attempts   BIGINT NOT NULL,
    queued_at  BIGINT NOT NULL,
    ended_at   BIGINT,
    status     BIGINT,
    error      TEXT,
    UNIQUE (webhook_id, event_id)
);
CREATE INDEX deliveries_by_state ON deliveries (webhook_id, state, queued_at, id);
CREATE INDEX deliveries_by_person ON deliveries (about);

-- How far the events of a lane were taken over.
CREATE TABLE cursors (
    lane    TEXT   PRIMARY KEY,
    epoch   TEXT   NOT NULL,
    read_to BIGINT NOT NULL
);

-- Which process does a work that one does at a time.
CREATE TABLE leases (
    name    TEXT   PRIMARY KEY,
    holder  TEXT   NOT NULL,
    ends_at BIGINT NOT NULL
);
