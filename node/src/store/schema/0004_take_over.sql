-- Audit events that an earlier installation of the site had not sent when this one took over, in the order of its chain.
CREATE TABLE audit_before (
  install INTEGER NOT NULL,
  n INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (install, n)
) STRICT, WITHOUT ROWID;
