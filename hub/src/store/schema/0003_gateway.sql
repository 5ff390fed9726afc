-- The main care records of the configuration, and how contact with each stands.
CREATE TABLE main_record (
    system        TEXT    PRIMARY KEY,
    -- Whether the configuration still names it: entries are owed to those that it names.
    configured    INTEGER NOT NULL CHECK (configured IN (0, 1)),
    -- What it says it is.
    software      TEXT,
    reachable     INTEGER NOT NULL DEFAULT 0,
    -- Up to which of its own times its changes were read.
    mark          TEXT,
    last_read     INTEGER,
    last_written  INTEGER,
    -- What went wrong last, without personal data.
    last_error    TEXT
) STRICT, WITHOUT ROWID;

-- How a main care record calls a resident, and when all of it was read.
CREATE TABLE main_record_person (
    system        TEXT    NOT NULL REFERENCES main_record (system),
    resident      BLOB    NOT NULL REFERENCES resident (id),
    -- Such as `Patient/17`; NULL where it was looked for and not found.
    reference     TEXT,
    looked_at     INTEGER NOT NULL,
    -- NULL until everything was read once.
    read_at       INTEGER,
    -- Why it was not found: `none`, `several` or `no-number`.
    trouble       TEXT,
    PRIMARY KEY (system, resident)
) STRICT, WITHOUT ROWID;
CREATE INDEX main_record_person_by_reference ON main_record_person (system, reference);

-- Numbers the changes of delivery states, so that a node is told what is new.
CREATE TABLE delivery_clock (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    number        INTEGER NOT NULL
) STRICT;
INSERT INTO delivery_clock (one, number) VALUES (1, 0);

-- Entries that a main care record is owed, from the moment the hub has them.
CREATE TABLE owed (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    system        TEXT    NOT NULL REFERENCES main_record (system),
    install       INTEGER NOT NULL,
    counter       INTEGER NOT NULL,
    scope         BLOB    NOT NULL CHECK (length(scope) = 20),
    resident      BLOB    NOT NULL REFERENCES resident (id),
    state         TEXT    NOT NULL DEFAULT 'queued'
                  CHECK (state IN ('queued', 'accepted', 'rejected', 'not-supported', 'released')),
    attempts      INTEGER NOT NULL DEFAULT 0,
    not_before    INTEGER NOT NULL,
    -- Why it is where it is: a code, where in the resource, without personal data.
    code          TEXT,
    -- The same for the person who wrote the entry, who may see what the server said.
    reason        TEXT,
    -- Type and id of the resource there.
    remote        TEXT,
    received_at   INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL,
    -- Number of the last change of state.
    change_no     INTEGER NOT NULL,
    UNIQUE (system, install, counter)
) STRICT;
CREATE INDEX owed_waiting ON owed (system, resident, id) WHERE state = 'queued';
CREATE INDEX owed_parked ON owed (system, id) WHERE state = 'rejected';
CREATE INDEX owed_changes ON owed (install, change_no);

-- What Hearth wrote into a main care record: by our identifier, so that it is found again and known when it comes back.
CREATE TABLE written (
    system        TEXT    NOT NULL REFERENCES main_record (system),
    identifier    BLOB    NOT NULL CHECK (length(identifier) = 16),
    -- Type and id there; NULL while the answer to the first attempt has not come.
    remote        TEXT,
    version       TEXT,
    -- The entry that says what stands there.
    install       INTEGER NOT NULL,
    counter       INTEGER NOT NULL,
    written_at    INTEGER NOT NULL,
    PRIMARY KEY (system, identifier)
) STRICT, WITHOUT ROWID;
CREATE INDEX written_by_remote ON written (system, remote);

-- How far an installation was told the states of its entries.
CREATE TABLE delivery_told (
    install       INTEGER PRIMARY KEY REFERENCES install (id),
    change_no     INTEGER NOT NULL
) STRICT;
