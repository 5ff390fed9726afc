-- The document of an entry that was let go of with its month: how it fared is told once, and is here when the month is again.
ALTER TABLE delivery ADD COLUMN scope INTEGER REFERENCES scope (id) ON DELETE CASCADE;
CREATE INDEX delivery_scope ON delivery (scope) WHERE scope IS NOT NULL;
