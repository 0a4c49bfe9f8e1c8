-- The keys of people, apart from the log that is sealed with them: a backup of that leaves this schema out.

-- Whoever is forgotten has no row.
CREATE TABLE people (
    person    text COLLATE "C" PRIMARY KEY,
    -- What stands for them in the log.
    pseudonym text COLLATE "C" NOT NULL UNIQUE,
    -- AES-256.
    key       bytea            NOT NULL
);

-- One row.
CREATE TABLE keyring (
    -- By which a log knows its keys again.
    id        text   NOT NULL,
    -- How many keys were destroyed: whoever has some in memory looks.
    destroyed bigint NOT NULL DEFAULT 0
);
INSERT INTO keyring (id) VALUES (replace(gen_random_uuid()::text, '-', ''));
