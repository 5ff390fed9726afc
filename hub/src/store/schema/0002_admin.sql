-- Invites: what checks the proof of a secret, never the secret.
CREATE TABLE invite (
    token         BLOB    PRIMARY KEY CHECK (length(token) = 16),
    site          TEXT    NOT NULL REFERENCES site (ods),
    verifier      BLOB    NOT NULL CHECK (length(verifier) = 32),
    made_at       INTEGER NOT NULL,
    not_after     INTEGER NOT NULL,
    -- Wrong proofs so far.
    failed        INTEGER NOT NULL DEFAULT 0,
    used_by       INTEGER REFERENCES install (id),
    revoked_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX invite_of_site ON invite (site, made_at);

-- Names and addresses of an installation's pages beyond the site's own: asked for once, signed at every renewal.
CREATE TABLE web_name (
    install       INTEGER NOT NULL REFERENCES install (id),
    name          TEXT    NOT NULL,
    PRIMARY KEY (install, name)
) STRICT, WITHOUT ROWID;

-- When a site was revoked; a closed site without a row left in peace.
CREATE TABLE site_revocation (
    site          TEXT    PRIMARY KEY REFERENCES site (ods),
    revoked_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Answers to writes of the admin API, so that one sent twice is done once. The key is kept as its hash.
CREATE TABLE idempotency (
    administrator TEXT    NOT NULL,
    key_hash      BLOB    NOT NULL CHECK (length(key_hash) = 32),
    request_hash  BLOB    NOT NULL CHECK (length(request_hash) = 32),
    status        INTEGER NOT NULL,
    -- The answer; NULL where it holds a secret that was shown once.
    body          BLOB,
    made_at       INTEGER NOT NULL,
    PRIMARY KEY (administrator, key_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (made_at);

-- What the audit is searched by. Everything in it can be made again from the events.
CREATE TABLE audit_index (
    install       INTEGER NOT NULL,
    n             INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    action        INTEGER NOT NULL,
    resident      BLOB,
    site          TEXT,
    staff         INTEGER,
    PRIMARY KEY (install, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_by_time ON audit_index (at);
CREATE INDEX audit_by_resident ON audit_index (resident, at) WHERE resident IS NOT NULL;
CREATE INDEX audit_by_staff ON audit_index (staff, at) WHERE staff IS NOT NULL;

-- The newest signed head of each installation's chain, as it came.
CREATE TABLE audit_checkpoint (
    install       INTEGER PRIMARY KEY,
    n             INTEGER NOT NULL,
    bytes         BLOB    NOT NULL
) STRICT;

-- Chains that did not fit what the hub held: the first finding of each kind.
CREATE TABLE audit_fault (
    install       INTEGER NOT NULL,
    code          TEXT    NOT NULL,
    n             INTEGER NOT NULL,
    found_at      INTEGER NOT NULL,
    PRIMARY KEY (install, code)
) STRICT, WITHOUT ROWID;

-- Residents by verified NHS number.
CREATE TABLE nhs_number (
    number        TEXT    PRIMARY KEY CHECK (length(number) = 10),
    resident      BLOB    NOT NULL REFERENCES resident (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX nhs_number_of_resident ON nhs_number (resident);

-- Residents by what outside systems call them, such as `Patient/17`.
CREATE TABLE outside_person (
    system        TEXT    NOT NULL,
    reference     TEXT    NOT NULL,
    resident      BLOB    NOT NULL REFERENCES resident (id),
    PRIMARY KEY (system, reference)
) STRICT, WITHOUT ROWID;
CREATE INDEX outside_person_of_resident ON outside_person (resident);

-- What an outside system sent, whole: a write-back patches it and loses nothing that is not understood.
CREATE TABLE original (
    id            INTEGER PRIMARY KEY,
    system        TEXT    NOT NULL,
    -- Type and id there, such as `Observation/17`.
    resource      TEXT    NOT NULL,
    resident      BLOB    NOT NULL REFERENCES resident (id),
    version       TEXT,
    -- BLAKE3 of the resource's JSON.
    blake3        BLOB    NOT NULL CHECK (length(blake3) = 32),
    zstd          BLOB    NOT NULL,
    length        INTEGER NOT NULL,
    read_at       INTEGER NOT NULL,
    -- mapped: became entries; kept: has no place in a record; parked: a person has to look; deleted: gone there.
    state         TEXT    NOT NULL CHECK (state IN ('mapped', 'kept', 'parked', 'deleted')),
    reason        TEXT,
    UNIQUE (system, resource, resident)
) STRICT;
CREATE INDEX original_of_resident ON original (resident);
CREATE INDEX original_parked ON original (system, id) WHERE state = 'parked';

-- Which thread of entries an outside thing became, and its entries that nothing has replaced from outside.
CREATE TABLE outside_item (
    system        TEXT    NOT NULL,
    resident      BLOB    NOT NULL REFERENCES resident (id),
    -- Names the outside thing for ever.
    key           TEXT    NOT NULL,
    -- The resource that says so, as in `original`.
    resource      TEXT    NOT NULL,
    scope         BLOB    NOT NULL CHECK (length(scope) = 20),
    thread        TEXT    NOT NULL,
    newest        TEXT    NOT NULL,
    -- BLAKE3 of the newest version's content.
    content       BLOB    NOT NULL CHECK (length(content) = 32),
    PRIMARY KEY (system, resident, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX outside_item_by_thread ON outside_item (thread);
CREATE INDEX outside_item_by_resource ON outside_item (system, resource);

-- Input that is not even a resource, or is nobody's, kept aside with its reason.
CREATE TABLE parked (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    system        TEXT    NOT NULL,
    resource      TEXT    NOT NULL,
    code          TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    at            INTEGER NOT NULL,
    UNIQUE (system, resource, code)
) STRICT;

-- Backups that were made and read back.
CREATE TABLE backup (
    file          TEXT    PRIMARY KEY,
    bytes         INTEGER NOT NULL,
    blake3        BLOB    NOT NULL CHECK (length(blake3) = 32),
    changes       INTEGER NOT NULL,
    made_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
