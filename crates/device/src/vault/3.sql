-- A stream may go two ways: each way is a row, and answers with its parent for what it shares with it. Row ids are in the places of changes, so
-- they stay. More than one branch may leave a stream at the same place.
CREATE TABLE stream_3(
    id INTEGER PRIMARY KEY,
    device BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    own INTEGER NOT NULL,             -- this file's own: new changes go here
    n INTEGER NOT NULL DEFAULT 0,     -- the last change
    head BLOB NOT NULL,               -- the chain after it
    run_first INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,  -- handed out for sending up to here
    acked INTEGER NOT NULL DEFAULT 0, -- headquarters has it up to here: by its receipt, or because it came from there
    acked_head BLOB,
    backed_up INTEGER NOT NULL DEFAULT 0,
    checked INTEGER NOT NULL DEFAULT 0, -- the device's signature was checked up to here
    stamp_ms INTEGER NOT NULL DEFAULT 0,
    stamp_count INTEGER NOT NULL DEFAULT 0,
    parent INTEGER,                   -- for a branch: the row that it left
    split_n INTEGER NOT NULL DEFAULT 0, -- its first so many changes are the parent's
    split BLOB,                       -- the chain after them
    shown INTEGER,                    -- others are told of it up to here only: the rest goes on in a later incarnation; NULL: all
    confirm INTEGER NOT NULL DEFAULT 0 -- receipted in an earlier life of the server only
);
-- What is another device's has come from headquarters.
INSERT INTO stream_3(id, device, incarnation, own, n, head, run_first, sent, acked, acked_head, backed_up, checked, stamp_ms, stamp_count)
    SELECT id, device, incarnation, own, n, head, run_first, sent, iif(own, acked, n), iif(own, acked_head, head), backed_up, checked,
        stamp_ms, stamp_count
    FROM stream;
DROP TABLE stream;
ALTER TABLE stream_3 RENAME TO stream;
CREATE INDEX stream_writer ON stream(device, incarnation);
