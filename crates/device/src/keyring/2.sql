-- Until when the officer's copy of the key stays here without a contact. In clear: it must be kept while nobody is unlocked.
ALTER TABLE door ADD COLUMN lease_until_ms INTEGER;
-- The end of a leader's admission: no lease goes beyond it.
ALTER TABLE door ADD COLUMN until_ms INTEGER;
-- The file may hold work that is neither receipted nor in the outbox.
ALTER TABLE compartment ADD COLUMN dirty INTEGER NOT NULL DEFAULT 0;
UPDATE compartment SET dirty = made;
-- Headquarters ended his access to this device.
ALTER TABLE officer ADD COLUMN ended_ms INTEGER;
-- The greatest time that was ever seen, as leases count it.
CREATE TABLE seen(one INTEGER PRIMARY KEY CHECK (one = 1), ms INTEGER NOT NULL);
-- Work sealed to headquarters, which anybody may send and nobody here may read.
CREATE TABLE outbox(
    id INTEGER PRIMARY KEY,
    file TEXT NOT NULL,
    incarnation BLOB NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    head BLOB NOT NULL,              -- the chain after `last`
    bytes BLOB NOT NULL
);
CREATE INDEX outbox_stream ON outbox(incarnation, last);
-- Receipts that came while the file was closed, sealed to an officer who has a door to it.
CREATE TABLE kept_receipt(
    officer BLOB NOT NULL, file TEXT NOT NULL, incarnation BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (officer, file, incarnation)
) WITHOUT ROWID;
-- Files that take what is written where the way in is closed. Only headquarters has their keys.
CREATE TABLE capture(
    file TEXT PRIMARY KEY,
    compartment TEXT NOT NULL REFERENCES compartment(file),
    escrow BLOB NOT NULL
) WITHOUT ROWID;
-- Headquarters' word that an officer may use a compartment no more, until it has heard that the way in is gone.
CREATE TABLE revocation(
    officer BLOB NOT NULL,
    file TEXT NOT NULL,              -- or, where the device has none, the compartment's tag
    name BLOB NOT NULL,              -- sealed to the device
    state INTEGER NOT NULL,          -- 0: unsent work waits; 1: the key is gone, files follow; 2: to be said to headquarters
    removed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (officer, file)
) WITHOUT ROWID;
-- Admissions that headquarters has not heard of, sealed to the device.
CREATE TABLE admission(officer BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
