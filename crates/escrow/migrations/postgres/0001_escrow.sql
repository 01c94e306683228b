-- The escrow, version 1: ciphertext and public facts only.

-- One row: which escrow this is. Covered by the event escrow-created.
CREATE TABLE escrow (
    id         bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    created_at bigint NOT NULL
);

-- Officers and stations, each version signed by an officer of the version before.
CREATE TABLE rosters (
    version   bigint NOT NULL PRIMARY KEY CHECK (version > 0),
    body      text COLLATE "C" NOT NULL,
    signer    bytea NOT NULL CHECK (length(signer) = 32),
    signature bytea NOT NULL CHECK (length(signature) = 64)
);

-- Short numbers for the public keys of those who signed events.
CREATE TABLE writers (
    id  bigint NOT NULL PRIMARY KEY,
    key bytea NOT NULL UNIQUE CHECK (length(key) = 32)
);

-- Events, each in the chain of its writer.
CREATE TABLE events (
    writer    bigint NOT NULL REFERENCES writers (id) DEFERRABLE INITIALLY IMMEDIATE,
    sequence  bigint NOT NULL CHECK (sequence > 0),
    previous  bytea NOT NULL CHECK (length(previous) = 32),
    roster    bigint NOT NULL REFERENCES rosters (version) DEFERRABLE INITIALLY IMMEDIATE,
    time      bigint NOT NULL,
    uid       bigint NOT NULL,
    host      text COLLATE "C" NOT NULL,
    operator  text COLLATE "C",
    kind      text COLLATE "C" NOT NULL,
    facts     text COLLATE "C" NOT NULL,
    reason    text COLLATE "C",
    hash      bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    signature bytea NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (writer, sequence)
);

-- Session keys, wrapped with age to the officers of a roster. The event is the one that signed the wrap.
CREATE TABLE sessions (
    id         bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    roster     bigint NOT NULL REFERENCES rosters (version) DEFERRABLE INITIALLY IMMEDIATE,
    created_at bigint NOT NULL,
    wrap       bytea NOT NULL,
    writer     bigint NOT NULL,
    sequence   bigint NOT NULL,
    FOREIGN KEY (writer, sequence) REFERENCES events (writer, sequence) DEFERRABLE INITIALLY DEFERRED
);

-- Keys that find duplicates, wrapped with age to the officers and stations of a roster.
CREATE TABLE duplicate_keys (
    id         bigint NOT NULL PRIMARY KEY CHECK (id > 0),
    roster     bigint NOT NULL REFERENCES rosters (version) DEFERRABLE INITIALLY IMMEDIATE,
    created_at bigint NOT NULL,
    wrap       bytea NOT NULL,
    writer     bigint NOT NULL,
    sequence   bigint NOT NULL,
    FOREIGN KEY (writer, sequence) REFERENCES events (writer, sequence) DEFERRABLE INITIALLY DEFERRED
);

-- Sealed seeds. Up to reserved_at the columns never change and are covered by a digest in the first event;
-- the others are computed from the events.
CREATE TABLE entries (
    id            bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    family        text COLLATE "C" NOT NULL,
    serial        text COLLATE "C" NOT NULL,
    slot          text COLLATE "C" NOT NULL,
    algorithm     text COLLATE "C" NOT NULL,
    digits        bigint NOT NULL,
    time_step     bigint NOT NULL,
    origin        text COLLATE "C" NOT NULL,
    batch         bytea CHECK (length(batch) = 16),
    format        bigint NOT NULL,
    session       bytea NOT NULL REFERENCES sessions (id) DEFERRABLE INITIALLY IMMEDIATE,
    nonce         bytea NOT NULL CHECK (length(nonce) = 24),
    ciphertext    bytea NOT NULL,
    tag_key       bigint NOT NULL REFERENCES duplicate_keys (id) DEFERRABLE INITIALLY IMMEDIATE,
    tag           bytea NOT NULL CHECK (length(tag) = 16),
    reserved_at   bigint NOT NULL,
    state         text COLLATE "C" NOT NULL,
    model         text COLLATE "C",
    upn           text COLLATE "C",
    issuer        text COLLATE "C",
    programmed_at bigint,
    verified_at   bigint,
    drift_seconds bigint,
    drift_at      bigint,
    revision      bigint NOT NULL CHECK (revision > 0),
    -- The order in which the rows came; SQLite numbers its rows itself.
    rowid         bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE
);

CREATE INDEX entries_by_identity ON entries (serial, family, slot, id);
-- Directories do not tell upper from lower case in it. Under the collation "C" ASCII alone is folded, as SQLite does.
CREATE INDEX entries_by_upn ON entries (lower(upn), id) WHERE upn IS NOT NULL;
CREATE INDEX entries_by_state ON entries (state, id);
CREATE INDEX entries_by_batch ON entries (batch, id) WHERE batch IS NOT NULL;
CREATE INDEX entries_by_tag ON entries (tag, tag_key);
CREATE INDEX entries_by_session ON entries (session, rowid);

-- Which entries an event touched, in order; the revision counts the events of an entry.
CREATE TABLE event_entries (
    writer   bigint NOT NULL,
    sequence bigint NOT NULL,
    position bigint NOT NULL,
    entry    bytea NOT NULL REFERENCES entries (id) DEFERRABLE INITIALLY IMMEDIATE,
    revision bigint NOT NULL CHECK (revision > 0),
    digest   bytea CHECK (length(digest) = 32),
    facts    text COLLATE "C" NOT NULL,
    PRIMARY KEY (writer, sequence, position),
    FOREIGN KEY (writer, sequence) REFERENCES events (writer, sequence) DEFERRABLE INITIALLY IMMEDIATE
);

-- SQLite ends each index with the key of the table.
CREATE INDEX event_entries_by_entry ON event_entries (entry, writer, sequence, position);
