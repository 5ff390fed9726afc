-- What tablets made out of reach of the node.

-- The key that opens it (P-256, 32 bytes) and the one that signs tickets. They are this node's own and never leave it.
CREATE TABLE away_key (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  opening BLOB NOT NULL,
  signing BLOB NOT NULL
) STRICT;

-- One row for each form that came later: filed, or kept with its fault until somebody has dealt with it. `fields` is
-- what was typed, and empty once it is filed.
CREATE TABLE away_form (
  key TEXT PRIMARY KEY,
  staff BLOB NOT NULL,
  name TEXT NOT NULL,
  tablet BLOB NOT NULL,
  resident BLOB NOT NULL,
  path TEXT NOT NULL,
  fields TEXT NOT NULL,
  made INTEGER NOT NULL,
  came INTEGER NOT NULL,
  fault TEXT,
  dealt INTEGER,
  dealt_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX away_form_resident ON away_form (resident);
