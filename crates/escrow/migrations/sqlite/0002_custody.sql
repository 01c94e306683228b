-- The escrow, version 2: what people note of entries, and what became of them elsewhere. All of it is computed from
-- the events, as the state is.

ALTER TABLE entries ADD COLUMN note TEXT;
ALTER TABLE entries ADD COLUMN purchase_order TEXT;
-- Sorted, a comma before, between and after them.
ALTER TABLE entries ADD COLUMN tags TEXT;
ALTER TABLE entries ADD COLUMN exported_at INTEGER;
ALTER TABLE entries ADD COLUMN export_format TEXT;
ALTER TABLE entries ADD COLUMN activated_at INTEGER;

CREATE INDEX entries_by_tags ON entries (tags, id) WHERE tags IS NOT NULL;
