-- When each member of staff last opened a list of the home, and when before the shift that they are in: what is newer is
-- new to them. Of this node only.
CREATE TABLE here (
  staff BLOB PRIMARY KEY,
  last INTEGER NOT NULL,
  before INTEGER
) STRICT, WITHOUT ROWID;
