-- The newest signed head of each installation in each scope: what proves whose its changes are, also when the changes
-- themselves have gone into a snapshot.
CREATE TABLE signed_head (
    scope         BLOB    NOT NULL CHECK (length(scope) = 20),
    install       INTEGER NOT NULL,
    -- Number of the newest change that it vouches for, and the running hash up to it.
    seq           INTEGER NOT NULL CHECK (seq > 0),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    signature     BLOB    NOT NULL CHECK (length(signature) = 64),
    received_at   INTEGER NOT NULL,
    PRIMARY KEY (scope, install)
) STRICT, WITHOUT ROWID;

-- Changes that a signed head vouches for and that are not among the changes of their scope: they wait for others, or
-- are in quarantine. Without their hashes the head would prove nothing of those before them.
CREATE TABLE vouched (
    scope         BLOB    NOT NULL CHECK (length(scope) = 20),
    install       INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (scope, install, seq)
) STRICT, WITHOUT ROWID;

-- Certificates of the installations that write, the hub's own included: CBOR of the wire's chain. They outlive their
-- installation, since its entries do.
CREATE TABLE signer (
    install       INTEGER PRIMARY KEY,
    chain         BLOB    NOT NULL
) STRICT;

-- Signed heads before which a change of their installation is missing, and the changes that came under them and wait.
CREATE TABLE head_ahead (
    scope         BLOB    NOT NULL CHECK (length(scope) = 20),
    install       INTEGER NOT NULL,
    seq           INTEGER NOT NULL CHECK (seq > 0),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    signature     BLOB    NOT NULL CHECK (length(signature) = 64),
    -- Hashes, one behind the other, of the changes up to the head that did not come with it.
    after         BLOB    NOT NULL,
    received_at   INTEGER NOT NULL,
    PRIMARY KEY (scope, install)
) STRICT, WITHOUT ROWID;
CREATE TABLE change_ahead (
    scope         BLOB    NOT NULL CHECK (length(scope) = 20),
    install       INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (scope, install, seq)
) STRICT, WITHOUT ROWID;
