-- The escrow, version 2: what people note of entries, and what became of them elsewhere. All of it is computed from
-- the events, as the state is.

ALTER TABLE entries ADD COLUMN note text COLLATE "C";
ALTER TABLE entries ADD COLUMN purchase_order text COLLATE "C";
-- Sorted, a comma before, between and after them.
ALTER TABLE entries ADD COLUMN tags text COLLATE "C";
ALTER TABLE entries ADD COLUMN exported_at bigint;
ALTER TABLE entries ADD COLUMN export_format text COLLATE "C";
ALTER TABLE entries ADD COLUMN activated_at bigint;

CREATE INDEX entries_by_tags ON entries (tags, id) WHERE tags IS NOT NULL;
