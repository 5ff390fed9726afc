-- Which numbers each installation has given to entries that are in the record, as ranges without a gap. Of entries from
-- before this table nothing is known.
CREATE TABLE entry_numbers (
    install       INTEGER NOT NULL,
    first         INTEGER NOT NULL,
    last          INTEGER NOT NULL CHECK (last >= first),
    PRIMARY KEY (install, first)
) STRICT, WITHOUT ROWID;
