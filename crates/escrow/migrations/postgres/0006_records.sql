-- The escrow, version 6: what the desk keeps.

-- Sealed under a key of the desk: who can read the table learns how many records of which kind there are and how long
-- they are; who can write it can destroy them. Covered by the seal in body: the escrow and every other column. No event
-- tells of them.
CREATE TABLE records (
    kind       text COLLATE "C" NOT NULL,
    id         bytea NOT NULL,
    version    bigint NOT NULL CHECK (version > 0),
    -- A keyed digest of what a record is found by.
    lookup     bytea CHECK (length(lookup) = 32),
    expires_at bigint,
    -- Nonce, ciphertext and tag.
    body       bytea NOT NULL CHECK (length(body) >= 40),
    PRIMARY KEY (kind, id)
);

CREATE INDEX records_by_lookup ON records (kind, lookup) WHERE lookup IS NOT NULL;
CREATE INDEX records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;
