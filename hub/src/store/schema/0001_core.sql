-- The region itself: one row, written by `hearth init`.
CREATE TABLE region (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    id            BLOB    NOT NULL CHECK (length(id) = 16),
    -- Changes whenever the hub lost something: nodes then repair and push back.
    epoch         INTEGER NOT NULL,
    -- The installation as which the hub itself writes (roster, imports), and how many entries it has written.
    hub_install   INTEGER NOT NULL CHECK (hub_install BETWEEN 1 AND 4294967295),
    hub_entries   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE site (
    ods           TEXT    PRIMARY KEY,
    kind          TEXT    NOT NULL CHECK (kind IN ('care-home', 'pharmacy')),
    name          TEXT    NOT NULL,
    state         TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'closed')),
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Level of a site's feed: the number last given, and the digest and number of the scopes that it is to hold.
CREATE TABLE site_feed (
    site          TEXT    PRIMARY KEY REFERENCES site (ods),
    head          INTEGER NOT NULL DEFAULT 0,
    digest        BLOB    NOT NULL CHECK (length(digest) = 40),
    scopes        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TRIGGER site_begins_with_an_empty_feed AFTER INSERT ON site BEGIN
    INSERT INTO site_feed (site, digest) VALUES (new.ods, zeroblob(40));
END;

CREATE TABLE install (
    id            INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 4294967295),
    site          TEXT    NOT NULL REFERENCES site (ods),
    state         TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'revoked', 'quarantined')),
    -- Why it is not active: a code such as 'stolen' or 'cloned'.
    reason        TEXT,
    -- Ed25519 identity key (32 bytes), for receipts and signed heads.
    public_key    BLOB    NOT NULL,
    enrolled_at   INTEGER NOT NULL,
    last_seen     INTEGER,
    software      TEXT,
    -- The last health report, CBOR of the wire's `Health`, and when it came.
    health        BLOB,
    health_at     INTEGER,
    -- How far it has read its site's feed.
    cursor        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX install_of_site ON install (site);

-- Certificates of an installation: after a renewal the old one holds until it ends, in case the answer was lost.
CREATE TABLE certificate (
    fingerprint   BLOB    PRIMARY KEY CHECK (length(fingerprint) = 32),
    install       INTEGER NOT NULL REFERENCES install (id),
    issued_at     INTEGER NOT NULL,
    not_after     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX certificate_of_install ON certificate (install);

CREATE TABLE resident (
    id            BLOB    PRIMARY KEY CHECK (length(id) = 16),
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A site's right to a resident's record, as a level with its place in the site's feed.
CREATE TABLE grant_ (
    site          TEXT    NOT NULL REFERENCES site (ods),
    resident      BLOB    NOT NULL REFERENCES resident (id),
    state         TEXT    NOT NULL CHECK (state IN ('active', 'frozen', 'forgotten')),
    feed_no       INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL,
    -- When the node's receipt for a freeze or forget came, and the receipt (CBOR of the wire's `Receipt`).
    confirmed_at  INTEGER,
    receipt       BLOB,
    PRIMARY KEY (site, resident)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX grant_in_feed ON grant_ (site, feed_no);
CREATE INDEX grant_of_resident ON grant_ (resident);

CREATE TABLE scope (
    key           BLOB    PRIMARY KEY CHECK (length(key) = 20),
    -- The resident or the site whose it is; exactly one.
    resident      BLOB    REFERENCES resident (id),
    site          TEXT    REFERENCES site (ods),
    section       INTEGER NOT NULL,
    head_seq      INTEGER NOT NULL DEFAULT 0,
    -- Heads, sorted, 32 bytes each.
    heads         BLOB    NOT NULL DEFAULT x'',
    max_op        INTEGER NOT NULL DEFAULT 0,
    digest        BLOB    NOT NULL CHECK (length(digest) = 40),
    -- Up to which place its snapshot reaches; 0 without one.
    snapshot_seq  INTEGER NOT NULL DEFAULT 0,
    CHECK ((resident IS NULL) <> (site IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX scope_of_resident ON scope (resident) WHERE resident IS NOT NULL;
CREATE INDEX scope_of_site ON scope (site) WHERE site IS NOT NULL;
CREATE INDEX scope_with_long_tail ON scope (key) WHERE head_seq - snapshot_seq > 64;

-- Every change, in the hub's order of its scope.
CREATE TABLE change (
    scope         BLOB    NOT NULL REFERENCES scope (key),
    seq           INTEGER NOT NULL CHECK (seq > 0),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    install       INTEGER NOT NULL,
    actor_seq     INTEGER NOT NULL,
    max_op        INTEGER NOT NULL,
    bytes         BLOB    NOT NULL,
    received_at   INTEGER NOT NULL,
    PRIMARY KEY (scope, seq),
    UNIQUE (scope, hash),
    UNIQUE (scope, install, actor_seq)
) STRICT, WITHOUT ROWID;

-- The dirty index: the feed number at which a scope last changed for a site.
CREATE TABLE subscription (
    scope         BLOB    NOT NULL REFERENCES scope (key),
    site          TEXT    NOT NULL REFERENCES site (ods),
    feed_no       INTEGER NOT NULL,
    PRIMARY KEY (scope, site)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX subscription_in_feed ON subscription (site, feed_no);

-- How much of a scope an installation has on its disk. A new installation has none of it.
CREATE TABLE holding (
    install       INTEGER NOT NULL REFERENCES install (id),
    scope         BLOB    NOT NULL REFERENCES scope (key),
    confirmed_seq INTEGER NOT NULL,
    -- Up to which place it has lost even its own changes (they were erased with the rest), so that they are sent too.
    lost_seq      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (install, scope)
) STRICT, WITHOUT ROWID;

-- Changes that wait for one on which they depend.
CREATE TABLE pending (
    scope         BLOB    NOT NULL,
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    missing       BLOB    NOT NULL CHECK (length(missing) = 32),
    install       INTEGER NOT NULL,
    bytes         BLOB    NOT NULL,
    received_at   INTEGER NOT NULL,
    PRIMARY KEY (scope, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_for ON pending (scope, missing);
CREATE INDEX pending_of_install ON pending (install);

-- Changes that broke a rule, kept whole until a person has decided.
CREATE TABLE quarantine (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    scope         BLOB    NOT NULL,
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    install       INTEGER NOT NULL,
    code          TEXT    NOT NULL,
    bytes         BLOB    NOT NULL,
    received_at   INTEGER NOT NULL,
    settled_at    INTEGER,
    settlement    TEXT,
    UNIQUE (scope, hash)
) STRICT;
CREATE INDEX quarantine_open ON quarantine (install) WHERE settled_at IS NULL;

-- A scope's document saved whole up to a place in the hub's order.
CREATE TABLE snapshot (
    scope         BLOB    PRIMARY KEY REFERENCES scope (key),
    upto_seq      INTEGER NOT NULL,
    changes       INTEGER NOT NULL,
    heads         BLOB    NOT NULL,
    blake3        BLOB    NOT NULL CHECK (length(blake3) = 32),
    length        INTEGER NOT NULL,
    zstd          BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- Files beside the records, and the scopes that name them. A name may come before its file.
CREATE TABLE blob (
    id            BLOB    PRIMARY KEY CHECK (length(id) = 32),
    bytes         BLOB    NOT NULL,
    received_at   INTEGER NOT NULL
) STRICT;
CREATE TABLE blob_ref (
    blob          BLOB    NOT NULL CHECK (length(blob) = 32),
    scope         BLOB    NOT NULL REFERENCES scope (key),
    PRIMARY KEY (blob, scope)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_ref_of_scope ON blob_ref (scope);

-- Audit events of each installation, in the order of their chain.
CREATE TABLE audit_event (
    install       INTEGER NOT NULL,
    n             INTEGER NOT NULL CHECK (n > 0),
    bytes         BLOB    NOT NULL,
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    received_at   INTEGER NOT NULL,
    PRIMARY KEY (install, n)
) STRICT, WITHOUT ROWID;
