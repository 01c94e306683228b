-- The escrow, version 3: event-based tokens (RFC 4226).

-- The counter's 64 bits when the entry was made; never changes, covered by the digest. NULL, and a time step above 0,
-- for time-based tokens; a time step of 0 for event-based ones.
ALTER TABLE entries ADD COLUMN counter bigint;
