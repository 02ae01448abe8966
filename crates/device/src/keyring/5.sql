-- Headquarters let the officer in, and its feed, which tells the past in its order, has not been heard to its end since.
ALTER TABLE door ADD COLUMN let_in INTEGER NOT NULL DEFAULT 0;
