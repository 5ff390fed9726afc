-- How far the run of an installation goes in what was let go of a month; none where all of the document is here, or where it
-- was let go of by software that did not note it.
ALTER TABLE run ADD COLUMN let_go_seq INTEGER;
ALTER TABLE run ADD COLUMN let_go_hash BLOB;
