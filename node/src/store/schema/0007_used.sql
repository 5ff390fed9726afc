-- How many changes this installation had made in documents that were erased, of those that the hub has ever had, and
-- since when their record is granted again.
CREATE TABLE used (
  scope BLOB PRIMARY KEY CHECK (length(scope) = 20),
  own_changes INTEGER NOT NULL CHECK (own_changes > 0),
  back INTEGER
) STRICT, WITHOUT ROWID;
