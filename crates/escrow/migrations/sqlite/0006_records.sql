-- The escrow, version 6: what the desk keeps.

-- Sealed under a key of the desk: who can read the table learns how many records of which kind there are and how long
-- they are; who can write it can destroy them. Covered by the seal in body: the escrow and every other column. No event
-- tells of them.
CREATE TABLE records (
    kind       TEXT NOT NULL,
    id         BLOB NOT NULL,
    version    INTEGER NOT NULL CHECK (version > 0),
    -- A keyed digest of what a record is found by.
    lookup     BLOB CHECK (length(lookup) = 32),
    expires_at INTEGER,
    -- Nonce, ciphertext and tag.
    body       BLOB NOT NULL CHECK (length(body) >= 40),
    PRIMARY KEY (kind, id)
) STRICT;

CREATE INDEX records_by_lookup ON records (kind, lookup) WHERE lookup IS NOT NULL;
CREATE INDEX records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;
