-- The escrow, version 1: ciphertext and public facts only.

-- One row: which escrow this is. Covered by the event escrow-created.
CREATE TABLE escrow (
    id         BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Officers and stations, each version signed by an officer of the version before.
CREATE TABLE rosters (
    version   INTEGER NOT NULL PRIMARY KEY CHECK (version > 0),
    body      TEXT NOT NULL,
    signer    BLOB NOT NULL CHECK (length(signer) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64)
) STRICT;

-- Short numbers for the public keys of those who signed events.
CREATE TABLE writers (
    id  INTEGER NOT NULL PRIMARY KEY,
    key BLOB NOT NULL UNIQUE CHECK (length(key) = 32)
) STRICT;

-- Events, each in the chain of its writer.
CREATE TABLE events (
    writer    INTEGER NOT NULL REFERENCES writers (id),
    sequence  INTEGER NOT NULL CHECK (sequence > 0),
    previous  BLOB NOT NULL CHECK (length(previous) = 32),
    roster    INTEGER NOT NULL REFERENCES rosters (version),
    time      INTEGER NOT NULL,
    uid       INTEGER NOT NULL,
    host      TEXT NOT NULL,
    operator  TEXT,
    kind      TEXT NOT NULL,
    facts     TEXT NOT NULL,
    reason    TEXT,
    hash      BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (writer, sequence)
) STRICT, WITHOUT ROWID;

-- Session keys, wrapped with age to the officers of a roster. The event is the one that signed the wrap.
CREATE TABLE sessions (
    id         BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    roster     INTEGER NOT NULL REFERENCES rosters (version),
    created_at INTEGER NOT NULL,
    wrap       BLOB NOT NULL,
    writer     INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    FOREIGN KEY (writer, sequence) REFERENCES events (writer, sequence) DEFERRABLE INITIALLY DEFERRED
) STRICT;

-- Keys that find duplicates, wrapped with age to the officers and stations of a roster.
CREATE TABLE duplicate_keys (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id > 0),
    roster     INTEGER NOT NULL REFERENCES rosters (version),
    created_at INTEGER NOT NULL,
    wrap       BLOB NOT NULL,
    writer     INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    FOREIGN KEY (writer, sequence) REFERENCES events (writer, sequence) DEFERRABLE INITIALLY DEFERRED
) STRICT;

-- Sealed seeds. Up to reserved_at the columns never change and are covered by a digest in the first event;
-- the others are computed from the events.
CREATE TABLE entries (
    id            BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    family        TEXT NOT NULL,
    serial        TEXT NOT NULL,
    slot          TEXT NOT NULL,
    algorithm     TEXT NOT NULL,
    digits        INTEGER NOT NULL,
    time_step     INTEGER NOT NULL,
    origin        TEXT NOT NULL,
    batch         BLOB CHECK (length(batch) = 16),
    format        INTEGER NOT NULL,
    session       BLOB NOT NULL REFERENCES sessions (id),
    nonce         BLOB NOT NULL CHECK (length(nonce) = 24),
    ciphertext    BLOB NOT NULL,
    tag_key       INTEGER NOT NULL REFERENCES duplicate_keys (id),
    tag           BLOB NOT NULL CHECK (length(tag) = 16),
    reserved_at   INTEGER NOT NULL,
    state         TEXT NOT NULL,
    model         TEXT,
    -- Directories do not tell upper from lower case in it (ASCII only, which is what SQLite folds).
    upn           TEXT COLLATE NOCASE,
    issuer        TEXT,
    programmed_at INTEGER,
    verified_at   INTEGER,
    drift_seconds INTEGER,
    drift_at      INTEGER,
    revision      INTEGER NOT NULL CHECK (revision > 0)
) STRICT;

CREATE INDEX entries_by_identity ON entries (serial, family, slot, id);
CREATE INDEX entries_by_upn ON entries (upn, id) WHERE upn IS NOT NULL;
CREATE INDEX entries_by_state ON entries (state, id);
CREATE INDEX entries_by_batch ON entries (batch, id) WHERE batch IS NOT NULL;
CREATE INDEX entries_by_tag ON entries (tag, tag_key);
CREATE INDEX entries_by_session ON entries (session);

-- Which entries an event touched, in order; the revision counts the events of an entry.
CREATE TABLE event_entries (
    writer   INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    position INTEGER NOT NULL,
    entry    BLOB NOT NULL REFERENCES entries (id),
    revision INTEGER NOT NULL CHECK (revision > 0),
    digest   BLOB CHECK (length(digest) = 32),
    facts    TEXT NOT NULL,
    PRIMARY KEY (writer, sequence, position),
    FOREIGN KEY (writer, sequence) REFERENCES events (writer, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_entries_by_entry ON event_entries (entry);
