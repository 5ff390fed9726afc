-- The read model is searched by document and time, by due dose, and by id; what else stood in columns is in the entry
-- itself or in its document's row. Every index costs each entry of a first sync a place in a tree.
DROP INDEX entry_section;
DROP INDEX entry_kind;
DROP INDEX entry_scope;

-- Of an entry that records a due dose: which.
ALTER TABLE entry ADD COLUMN "order" BLOB;
ALTER TABLE entry ADD COLUMN due INTEGER;
UPDATE entry SET ("order", due) = (SELECT dose."order", dose.due FROM dose WHERE dose.entry = entry.id)
  WHERE id IN (SELECT entry FROM dose);
DROP TABLE dose;

ALTER TABLE entry DROP COLUMN subject;
ALTER TABLE entry DROP COLUMN section;
ALTER TABLE entry DROP COLUMN kind;
ALTER TABLE entry DROP COLUMN thread;
ALTER TABLE entry DROP COLUMN recorded;
CREATE INDEX entry_scope ON entry (scope, happened);
CREATE INDEX entry_dose ON entry ("order", due) WHERE "order" IS NOT NULL;
