-- Runs that came before what stands before them in their stream. What they say stands in the other tables under the row -id, so that their
-- records are shown; they join their stream when it has come that far.
CREATE TABLE ahead(
    id INTEGER PRIMARY KEY,
    device BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    n INTEGER                         -- its number in headquarters' feed; NULL: it has none in the server's present life
);
CREATE INDEX ahead_stream ON ahead(device, incarnation, first);
-- The newest of a feed may come first: of two rulings on one change the later one stands, by its number in the feed.
ALTER TABLE ruling ADD COLUMN n INTEGER NOT NULL DEFAULT 0;
