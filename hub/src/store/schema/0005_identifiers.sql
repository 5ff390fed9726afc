-- Residents by what the main care records are asked for them by, where that is not the NHS number.
CREATE TABLE resident_identifier (
    system        TEXT    NOT NULL,
    value         TEXT    NOT NULL,
    resident      BLOB    NOT NULL REFERENCES resident (id),
    PRIMARY KEY (system, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX resident_identifier_of_resident ON resident_identifier (resident, system);

-- The identifier system that each main care record is asked by.
ALTER TABLE main_record ADD COLUMN identifier_system TEXT;

-- Why a resource is kept aside, as a sentence without personal data.
ALTER TABLE original ADD COLUMN detail TEXT;

-- When a person decided that nobody has to look at it any more.
ALTER TABLE parked ADD COLUMN released_at INTEGER;
