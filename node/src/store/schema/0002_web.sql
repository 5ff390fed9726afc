-- What the staff's pages keep: who is signed in where, and wrong PINs. Neither leaves the node.

-- A session is found by the hash of its cookie, so that a copy of the database opens no session.
CREATE TABLE web_session (
  hash BLOB PRIMARY KEY,
  staff BLOB NOT NULL,
  tablet TEXT NOT NULL,
  started INTEGER NOT NULL,
  seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX web_session_staff ON web_session (staff);

-- Tries at a PIN since the last right one. `verifier` is a hash of the verifier that was tried, so that a new PIN
-- starts afresh.
CREATE TABLE pin_attempt (
  staff BLOB PRIMARY KEY,
  verifier BLOB NOT NULL,
  failures INTEGER NOT NULL,
  not_before INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
