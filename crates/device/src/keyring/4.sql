-- Headquarters' time of the newest answer that came by courier and was read to its end; NULL: none.
ALTER TABLE lineage ADD COLUMN carried_ms INTEGER;
