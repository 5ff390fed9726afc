-- Changes whose entries say a time that was not when they came: the clock of their node was wrong. They stand in the
-- record all the same.
CREATE TABLE misdated (
    scope         BLOB    NOT NULL REFERENCES scope (key),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    install       INTEGER NOT NULL,
    code          TEXT    NOT NULL,
    received_at   INTEGER NOT NULL,
    PRIMARY KEY (scope, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX misdated_by_install ON misdated (install, received_at);
