-- Epochs after the first: each began when the hub came back from a backup and had lost what came after it.
CREATE TABLE epoch (
    epoch         INTEGER PRIMARY KEY,
    started_at    INTEGER NOT NULL,
    -- The installation as which the hub wrote before.
    hub_install   INTEGER NOT NULL
) STRICT;

-- Changes that another installation brought back than the one that made them.
CREATE TABLE brought_back (
    scope         BLOB    NOT NULL REFERENCES scope (key),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    brought_by    INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    PRIMARY KEY (scope, hash)
) STRICT, WITHOUT ROWID;
