-- The tablets of the site: let in by a manager, seen, shut out. Like sessions they are this node's own.

-- A tablet is found by the hash of its cookie, so that a copy of the database makes no other device pass for it.
CREATE TABLE tablet (
  id BLOB PRIMARY KEY,
  -- Empty for one that nobody has let in.
  name TEXT NOT NULL,
  seen INTEGER NOT NULL,
  enrolled INTEGER,
  enrolled_by TEXT,
  shut INTEGER,
  shut_by TEXT
) STRICT, WITHOUT ROWID;

-- Who signed in on which tablet, for the order of its tiles. `short`: hash of the verifier of a PIN with the fewest
-- digits that a PIN has, so that the form is sent when they are typed; null for a longer one.
CREATE TABLE tablet_staff (
  tablet BLOB NOT NULL REFERENCES tablet (id) ON DELETE CASCADE,
  staff BLOB NOT NULL,
  last INTEGER NOT NULL,
  short BLOB,
  PRIMARY KEY (tablet, staff)
) STRICT, WITHOUT ROWID;

-- Passkeys of staff on this node. `host` is the name under which the node was asked: elsewhere a passkey says nothing.
CREATE TABLE passkey (
  id BLOB PRIMARY KEY,
  staff BLOB NOT NULL,
  host TEXT NOT NULL,
  name TEXT NOT NULL,
  added INTEGER NOT NULL,
  used INTEGER,
  key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX passkey_staff ON passkey (staff);

-- Sessions named their tablet by its cookie. Who is signed in signs in again.
DROP TABLE web_session;
CREATE TABLE web_session (
  hash BLOB PRIMARY KEY,
  staff BLOB NOT NULL,
  tablet BLOB NOT NULL,
  started INTEGER NOT NULL,
  seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX web_session_staff ON web_session (staff);
CREATE INDEX web_session_tablet ON web_session (tablet);
