-- Entries that cannot be shown, since an entry of another document has their number: a copied disk gave it twice. Read again
-- once what hides them has gone.
CREATE TABLE hidden (
  entry BLOB NOT NULL,
  scope INTEGER NOT NULL REFERENCES scope (id) ON DELETE CASCADE,
  PRIMARY KEY (entry, scope)
) STRICT, WITHOUT ROWID;
CREATE INDEX hidden_scope ON hidden (scope);
