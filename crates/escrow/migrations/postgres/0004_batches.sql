-- The escrow, batches: lists of tokens to be burned, and how far each line is.

-- Which line of its batch an entry was reserved for; said by the entry's first event.
ALTER TABLE entries ADD COLUMN line bigint;

CREATE INDEX entries_by_line ON entries (batch, line, id) WHERE line IS NOT NULL;

-- Up to sequence the columns never change: the event at (writer, sequence) says them, and the events after it hold the
-- digests of the lines. The others are computed from the events.
CREATE TABLE batches (
    id         bytea NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    created_at bigint NOT NULL,
    name       text COLLATE "C" NOT NULL,
    lines      bigint NOT NULL,
    options    text COLLATE "C" NOT NULL,
    writer     bigint NOT NULL,
    sequence   bigint NOT NULL,
    state      text COLLATE "C" NOT NULL,
    ended_at   bigint,
    revision   bigint NOT NULL CHECK (revision > 0),
    FOREIGN KEY (writer, sequence) REFERENCES events (writer, sequence) DEFERRABLE INITIALLY DEFERRED
);

-- Up to seed the columns never change. A prescribed seed is sealed in an entry of its own, which is named here.
CREATE TABLE batch_lines (
    batch     bytea NOT NULL REFERENCES batches (id) DEFERRABLE INITIALLY IMMEDIATE,
    line      bigint NOT NULL CHECK (line > 0),
    upn       text COLLATE "C",
    serial    text COLLATE "C",
    issuer    text COLLATE "C",
    label     text COLLATE "C",
    algorithm text COLLATE "C" NOT NULL,
    digits    bigint NOT NULL,
    time_step bigint NOT NULL,
    seed      bytea REFERENCES entries (id) DEFERRABLE INITIALLY IMMEDIATE,
    state     text COLLATE "C" NOT NULL,
    error     text COLLATE "C",
    failed_at bigint,
    PRIMARY KEY (batch, line)
);

CREATE INDEX batch_lines_by_serial ON batch_lines (batch, serial) WHERE serial IS NOT NULL;
CREATE INDEX batch_lines_by_state ON batch_lines (batch, state, line);

-- Who is working on which line right now. Nothing rests on it but that two do not try the same line at once: what a
-- line has come to is in the events.
CREATE TABLE leases (
    batch      bytea NOT NULL,
    line       bigint NOT NULL,
    station    bytea NOT NULL,
    host       text COLLATE "C" NOT NULL,
    boot       text COLLATE "C" NOT NULL,
    namespace  text COLLATE "C" NOT NULL,
    pid        bigint NOT NULL,
    started    bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (batch, line)
);
