-- The keys of people, apart from the log that is sealed with them: a backup of that does not have them.

-- Whoever is forgotten has no row.
CREATE TABLE people (
    person    TEXT PRIMARY KEY,
    -- What stands for them in the log.
    pseudonym TEXT NOT NULL UNIQUE,
    -- AES-256.
    key       BLOB NOT NULL
) STRICT;

-- One row.
CREATE TABLE keyring (
    -- By which a log knows its keys again.
    id        TEXT    NOT NULL,
    -- How many keys were destroyed.
    destroyed INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO keyring (id) VALUES (lower(hex(randomblob(8))));
