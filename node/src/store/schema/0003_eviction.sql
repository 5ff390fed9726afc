-- Documents of months that are older than those kept: up to this place in the hub's order their content was let go.
-- Tip and digest stay in `scope`, so the node writes to them and compares them as before.
CREATE TABLE evicted (
  scope INTEGER PRIMARY KEY REFERENCES scope (id) ON DELETE CASCADE,
  sequence INTEGER NOT NULL
) STRICT;

-- When such a month was last fetched because somebody opened it.
ALTER TABLE scope ADD COLUMN fetched INTEGER;
CREATE INDEX scope_month ON scope (month) WHERE month IS NOT NULL;
CREATE INDEX change_at_hub ON change (scope) WHERE sequence IS NOT NULL;

-- Entries that this software could not read, or whose kind it does not know: newer software wrote them. They are kept
-- in their documents and carried on, and read again once the software is newer.
CREATE TABLE unread (
  entry BLOB PRIMARY KEY,
  scope INTEGER NOT NULL REFERENCES scope (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX unread_scope ON unread (scope);
