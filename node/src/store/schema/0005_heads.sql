-- Keys of the installations that write what is held here, from certificates of the region. `site` is null for the hub.
-- A key stays: what was signed with it stays good, and another key is another installation.
CREATE TABLE signer (
  install INTEGER PRIMARY KEY,
  site TEXT,
  key BLOB NOT NULL CHECK (length(key) = 32),
  since INTEGER NOT NULL
) STRICT;

-- How far the changes of each installation in a document are proven, and the signed head that proves them: with it they
-- can be given back to a hub that lost them. Of this installation's own no signature is kept: it can sign again.
CREATE TABLE run (
  scope INTEGER NOT NULL REFERENCES scope (id) ON DELETE CASCADE,
  install INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  -- CBOR of the protocol's voucher.
  voucher BLOB,
  PRIMARY KEY (scope, install)
) STRICT, WITHOUT ROWID;

-- How far the own run went with each change that waits; null for the first change of a document, which is in no run.
ALTER TABLE outbox ADD COLUMN seq INTEGER;
ALTER TABLE outbox ADD COLUMN run BLOB;

-- Changes that the hub sent and for which no signed head vouches. They are in no document and on no screen.
CREATE TABLE unvouched (
  scope INTEGER NOT NULL REFERENCES scope (id) ON DELETE CASCADE,
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  -- Place in the hub's order, as far as it is known.
  sequence INTEGER,
  install INTEGER NOT NULL,
  code TEXT NOT NULL,
  bytes BLOB NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (scope, hash)
) STRICT, WITHOUT ROWID;
