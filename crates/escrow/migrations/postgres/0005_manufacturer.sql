-- The escrow, version 5: who made a token.

-- Under whose name the token is sold; said by the entry's first event, and by no later one.
ALTER TABLE entries ADD COLUMN manufacturer text COLLATE "C";
