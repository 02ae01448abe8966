-- When a grant was taken back; NULL: it stands.
ALTER TABLE grant_ ADD COLUMN revoked_ms INTEGER;
-- Times in which an officer who had been able to write was not; the last may still last.
CREATE TABLE write_gap(
    officer BLOB NOT NULL, compartment INTEGER NOT NULL REFERENCES compartment(id), from_ms INTEGER NOT NULL, to_ms INTEGER,
    PRIMARY KEY (officer, compartment, from_ms)
) WITHOUT ROWID;
-- What each device was told that its officers may use, and so may hold.
CREATE TABLE door(
    device BLOB NOT NULL, officer BLOB NOT NULL, compartment INTEGER NOT NULL REFERENCES compartment(id),
    read INTEGER NOT NULL, write INTEGER NOT NULL, opened_ms INTEGER NOT NULL,
    revoked_ms INTEGER,               -- since when it should be shut; NULL: it may be open
    purged BLOB,                      -- the device's signed word that it is shut
    purged_ms INTEGER,                -- when that came
    PRIMARY KEY (device, officer, compartment)
) WITHOUT ROWID;
-- Leaders' signed words, as they came.
CREATE TABLE admission(
    sig BLOB PRIMARY KEY, device BLOB NOT NULL, officer BLOB NOT NULL, leader BLOB NOT NULL, taken_ms INTEGER NOT NULL, bytes BLOB NOT NULL
) WITHOUT ROWID;
-- Whom a leader let in may use this on that device, and nothing else there.
CREATE TABLE admitted(
    device BLOB NOT NULL, officer BLOB NOT NULL, compartment INTEGER NOT NULL REFERENCES compartment(id),
    read INTEGER NOT NULL, write INTEGER NOT NULL, until_ms INTEGER NOT NULL,
    PRIMARY KEY (device, officer, compartment)
) WITHOUT ROWID;
-- Verdicts that a person gave: the change, the feed's entry, and who; NULL: at the command line.
CREATE TABLE decision(
    change BLOB NOT NULL, compartment INTEGER NOT NULL REFERENCES compartment(id), n INTEGER NOT NULL, officer BLOB,
    PRIMARY KEY (change, n)
) WITHOUT ROWID;
-- Devices that were enrolled before doors were written down.
INSERT INTO door(device, officer, compartment, read, write, opened_ms)
    SELECT i.device, o.officer, g.compartment, g.read, g.write, 0 FROM installation i JOIN officer_device o ON o.device = i.device
    JOIN grant_ g ON g.officer = o.officer WHERE g.active;
INSERT OR IGNORE INTO door(device, officer, compartment, read, write, opened_ms)
    SELECT i.device, o.officer, c.id, 1, 0, 0 FROM installation i JOIN officer_device o ON o.device = i.device
    JOIN compartment c ON c.name = 'reference';
