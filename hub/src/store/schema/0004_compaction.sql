-- The bytes of a change go once its scope's snapshot is proven to hold it: NULL then. The row stays, since duplicates,
-- dependencies, copied installations and repairs are found by it.
CREATE TABLE change_with_place (
    scope         BLOB    NOT NULL REFERENCES scope (key),
    seq           INTEGER NOT NULL CHECK (seq > 0),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    install       INTEGER NOT NULL,
    actor_seq     INTEGER NOT NULL,
    max_op        INTEGER NOT NULL,
    bytes         BLOB,
    received_at   INTEGER NOT NULL,
    PRIMARY KEY (scope, seq),
    UNIQUE (scope, hash),
    UNIQUE (scope, install, actor_seq)
) STRICT, WITHOUT ROWID;
INSERT INTO change_with_place SELECT scope, seq, hash, install, actor_seq, max_op, bytes, received_at FROM change;
DROP TABLE change;
ALTER TABLE change_with_place RENAME TO change;

-- Months that are over and of which something is in no snapshot: the last two bytes of a key are its month.
CREATE INDEX scope_with_tail_of_month ON scope (substr(key, 19))
    WHERE head_seq > snapshot_seq AND substr(key, 19) > x'0000';
