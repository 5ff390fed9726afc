-- Devices and programs that use the node's API. Of a secret only the hash is kept.
CREATE TABLE api_client (
  id BLOB PRIMARY KEY CHECK (length(id) = 8),
  name TEXT NOT NULL,
  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
  made INTEGER NOT NULL,
  made_by TEXT NOT NULL,
  used INTEGER,
  revoked INTEGER
) STRICT, WITHOUT ROWID;
