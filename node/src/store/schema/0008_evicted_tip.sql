-- What must be known of what was let go of to write upon it as if nothing had come since; none where it was let go of by
-- software that did not note it.
ALTER TABLE evicted ADD COLUMN heads BLOB;
ALTER TABLE evicted ADD COLUMN max_op INTEGER;
