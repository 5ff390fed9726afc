-- Whether somebody at the installation has opened this month, which the installation does not keep: it is sent whole.
ALTER TABLE holding ADD COLUMN wanted INTEGER NOT NULL DEFAULT 0 CHECK (wanted IN (0, 1));
