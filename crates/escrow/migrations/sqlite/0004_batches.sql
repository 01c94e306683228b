-- The escrow, batches: lists of tokens to be burned, and how far each line is.

-- Which line of its batch an entry was reserved for; said by the entry's first event.
ALTER TABLE entries ADD COLUMN line INTEGER;

CREATE INDEX entries_by_line ON entries (batch, line, id) WHERE line IS NOT NULL;

-- Up to sequence the columns never change: the event at (writer, sequence) says them, and the events after it hold the
-- digests of the lines. The others are computed from the events.
CREATE TABLE batches (
    id         BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    created_at INTEGER NOT NULL,
    name       TEXT NOT NULL,
    lines      INTEGER NOT NULL,
    options    TEXT NOT NULL,
    writer     INTEGER NOT NULL,
    sequence   INTEGER NOT NULL,
    state      TEXT NOT NULL,
    ended_at   INTEGER,
    revision   INTEGER NOT NULL CHECK (revision > 0),
    FOREIGN KEY (writer, sequence) REFERENCES events (writer, sequence) DEFERRABLE INITIALLY DEFERRED
) STRICT;

-- Up to seed the columns never change. A prescribed seed is sealed in an entry of its own, which is named here.
CREATE TABLE batch_lines (
    batch     BLOB NOT NULL REFERENCES batches (id),
    line      INTEGER NOT NULL CHECK (line > 0),
    upn       TEXT,
    serial    TEXT,
    issuer    TEXT,
    label     TEXT,
    algorithm TEXT NOT NULL,
    digits    INTEGER NOT NULL,
    time_step INTEGER NOT NULL,
    seed      BLOB REFERENCES entries (id),
    state     TEXT NOT NULL,
    error     TEXT,
    failed_at INTEGER,
    PRIMARY KEY (batch, line)
) STRICT, WITHOUT ROWID;

CREATE INDEX batch_lines_by_serial ON batch_lines (batch, serial) WHERE serial IS NOT NULL;
CREATE INDEX batch_lines_by_state ON batch_lines (batch, state, line);

-- Who is working on which line right now. Nothing rests on it but that two do not try the same line at once: what a
-- line has come to is in the events.
CREATE TABLE leases (
    batch      BLOB NOT NULL,
    line       INTEGER NOT NULL,
    station    BLOB NOT NULL,
    host       TEXT NOT NULL,
    boot       TEXT NOT NULL,
    namespace  TEXT NOT NULL,
    pid        INTEGER NOT NULL,
    started    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (batch, line)
) STRICT, WITHOUT ROWID;
