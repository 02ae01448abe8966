-- A stream that went two ways has a row for each way. Foreign keys are off while this runs.
CREATE TABLE stream_and_branch(
    id INTEGER PRIMARY KEY,
    compartment INTEGER NOT NULL REFERENCES compartment(id),
    device BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    parent INTEGER,                   -- the row that a branch leaves; NULL for a stream
    split_n INTEGER NOT NULL DEFAULT 0, -- the last change that it shares with that row
    split BLOB NOT NULL DEFAULT x'',  -- the chain there; empty for a stream
    apart BLOB NOT NULL DEFAULT x'',  -- the first change of its own: more than one branch may leave at one place
    n INTEGER NOT NULL,               -- the last change
    head BLOB NOT NULL,               -- the chain after it
    backed_up INTEGER NOT NULL DEFAULT 0,
    UNIQUE (compartment, device, incarnation, split, apart)
);
INSERT INTO stream_and_branch(id, compartment, device, incarnation, n, head, backed_up)
    SELECT id, compartment, device, incarnation, n, head, backed_up FROM stream;
DROP TABLE stream;
ALTER TABLE stream_and_branch RENAME TO stream;
-- Headquarters' own records: the changes from which none descends, and when each was written. More than one only after a restore.
CREATE TABLE hq_head(
    compartment INTEGER NOT NULL, record BLOB NOT NULL, head BLOB NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (compartment, record, head)
) WITHOUT ROWID;
INSERT INTO hq_head(compartment, record, head, at_ms) SELECT compartment, record, head, 0 FROM hq_record;
DROP TABLE hq_record;
-- The tokens that a device's copies were last answered, in which life of the server, and the digit that one was told with it.
CREATE TABLE device_lineage(
    device BLOB NOT NULL, token BLOB NOT NULL, epoch BLOB NOT NULL, anew INTEGER, at_ms INTEGER NOT NULL, PRIMARY KEY (device, token)
) WITHOUT ROWID;
-- Every digit that a device has ever had: its numbers are out there.
CREATE TABLE device_digit(device BLOB NOT NULL, digit INTEGER NOT NULL, PRIMARY KEY (device, digit)) WITHOUT ROWID;
INSERT INTO device_digit(device, digit) SELECT id, digit FROM device;
-- Changes whose payload was erased by order, wherever they come from again; and the hashes of the seeds that went with them.
CREATE TABLE erased(compartment INTEGER NOT NULL, name BLOB NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (compartment, name)) WITHOUT ROWID;
