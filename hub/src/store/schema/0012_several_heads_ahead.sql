-- Every signed head before which a change is missing, not the furthest alone: what a nearer one vouches for may be taken in
-- while the furthest waits still. What waited is sent again at the next link.
DROP TABLE head_ahead;
DELETE FROM change_ahead;
CREATE TABLE head_ahead (
    scope         BLOB    NOT NULL CHECK (length(scope) = 20),
    install       INTEGER NOT NULL,
    bringer       INTEGER NOT NULL,
    seq           INTEGER NOT NULL CHECK (seq > 0),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    signature     BLOB    NOT NULL CHECK (length(signature) = 64),
    -- Hashes, one behind the other, of the changes up to the head that did not come with it.
    after         BLOB    NOT NULL,
    received_at   INTEGER NOT NULL,
    PRIMARY KEY (scope, install, bringer, seq)
) STRICT, WITHOUT ROWID;
