-- What the node holds. Times are UTC milliseconds; ids are the bytes that `hearth_protocol` gives them.

-- Single values: install, counter of entries, cursor, epoch, floor of the clock.
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One automerge document each.
CREATE TABLE scope (
  id INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE,
  subject BLOB NOT NULL,
  section INTEGER NOT NULL,
  month TEXT,
  -- The tip: from it a change is written without loading the document.
  heads BLOB NOT NULL,
  max_op INTEGER NOT NULL,
  own_changes INTEGER NOT NULL,
  -- Changes in the document, those in the snapshot included.
  changes INTEGER NOT NULL DEFAULT 0,
  -- Place in the hub's order of the last change that is known to be there.
  sequence INTEGER NOT NULL DEFAULT 0,
  -- Digest over the changes that are known to be at the hub.
  digest BLOB NOT NULL
) STRICT;
CREATE INDEX scope_subject ON scope (subject);

-- The changes that are not in a snapshot. `id` is the order of arrival here.
CREATE TABLE change (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL REFERENCES scope (id) ON DELETE CASCADE,
  hash BLOB NOT NULL,
  -- Place in the hub's order; null until the hub has it.
  sequence INTEGER,
  bytes BLOB NOT NULL,
  UNIQUE (scope, hash)
) STRICT;

-- A document saved whole, zstd.
CREATE TABLE snapshot (
  scope INTEGER PRIMARY KEY REFERENCES scope (id) ON DELETE CASCADE,
  -- Place in the hub's order of the last change in it.
  sequence INTEGER NOT NULL,
  heads BLOB NOT NULL,
  changes INTEGER NOT NULL,
  blake3 BLOB NOT NULL,
  bytes BLOB NOT NULL
) STRICT;

-- Changes of this installation that the hub has not acknowledged. A group commits together.
CREATE TABLE outbox (
  change INTEGER PRIMARY KEY REFERENCES change (id) ON DELETE CASCADE,
  "group" INTEGER NOT NULL,
  -- Null: waits. 'pending': the hub waits for another change. Else the hub's code for refusing it.
  refused TEXT
) STRICT;
CREATE INDEX outbox_group ON outbox ("group");

CREATE TABLE resident (
  id BLOB PRIMARY KEY,
  -- 'granted'; 'frozen': kept and shown to nobody; 'forgetting': erased once what was written here is at the hub.
  state TEXT NOT NULL CHECK (state IN ('granted', 'frozen', 'forgetting')),
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The read model: what screens read. It can be rebuilt from the documents at any time.
CREATE TABLE entry (
  id BLOB PRIMARY KEY,
  scope INTEGER NOT NULL REFERENCES scope (id) ON DELETE CASCADE,
  subject BLOB NOT NULL,
  section INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  thread BLOB NOT NULL,
  happened INTEGER NOT NULL,
  recorded INTEGER NOT NULL,
  -- The change that brought it; null when that is in a snapshot, and so at the hub.
  change INTEGER REFERENCES change (id) ON DELETE SET NULL,
  bytes BLOB NOT NULL
) STRICT;
CREATE INDEX entry_section ON entry (subject, section, happened);
CREATE INDEX entry_kind ON entry (kind, subject);
CREATE INDEX entry_change ON entry (change) WHERE change IS NOT NULL;
CREATE INDEX entry_scope ON entry (scope);

-- Which entries are replaced, by which.
CREATE TABLE replaced (
  entry BLOB NOT NULL,
  by BLOB NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
  PRIMARY KEY (entry, by)
) STRICT, WITHOUT ROWID;
CREATE INDEX replaced_by ON replaced (by);

-- Due doses that have an entry.
CREATE TABLE dose (
  "order" BLOB NOT NULL,
  due INTEGER NOT NULL,
  entry BLOB NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
  PRIMARY KEY ("order", due, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX dose_entry ON dose (entry);

-- A due dose that somebody is about to give, so that no second tablet gives it.
CREATE TABLE claim (
  "order" BLOB NOT NULL,
  due INTEGER NOT NULL,
  staff INTEGER NOT NULL,
  name TEXT NOT NULL,
  device TEXT NOT NULL,
  since INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  PRIMARY KEY ("order", due)
) STRICT, WITHOUT ROWID;

-- How entries fared at the main care record.
CREATE TABLE delivery (
  entry BLOB PRIMARY KEY,
  state INTEGER NOT NULL,
  reason TEXT
) STRICT, WITHOUT ROWID;

-- Results of actions that a tablet may send twice.
CREATE TABLE idempotency (
  key TEXT PRIMARY KEY,
  staff INTEGER NOT NULL,
  result BLOB NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at);

-- Parts of a document that has not come whole yet.
CREATE TABLE part (
  scope BLOB NOT NULL,
  blake3 BLOB NOT NULL,
  "offset" INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (scope, blake3, "offset")
) STRICT;

-- Orders to freeze or forget that were carried out. `mode`: 0 freeze, 1 forget.
CREATE TABLE receipt (
  resident BLOB NOT NULL,
  mode INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT;

-- Files beside the records, fetched by their names. `bytes` is null while the file is wanted.
CREATE TABLE blob (
  id BLOB PRIMARY KEY,
  bytes BLOB
) STRICT;

-- Which entries name which files. Part of the read model.
CREATE TABLE blob_use (
  blob BLOB NOT NULL,
  entry BLOB NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
  PRIMARY KEY (blob, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_use_entry ON blob_use (entry);

-- The audit chain of this installation.
CREATE TABLE audit (
  n INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
