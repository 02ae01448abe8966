CREATE TABLE meta(k TEXT PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE compartment(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- How far each stream is held.
CREATE TABLE stream(
    id INTEGER PRIMARY KEY,
    compartment INTEGER NOT NULL REFERENCES compartment(id),
    device BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    n INTEGER NOT NULL,               -- the last change
    head BLOB NOT NULL,               -- the chain after it
    backed_up INTEGER NOT NULL DEFAULT 0,
    UNIQUE (compartment, device, incarnation)
);
-- The feeds: what devices and headquarters wrote, and what was ruled about it, in the order of commits.
CREATE TABLE feed(
    compartment INTEGER NOT NULL REFERENCES compartment(id),
    n INTEGER NOT NULL,
    kind INTEGER NOT NULL,            -- 1 segment, 2 verdict
    stream INTEGER REFERENCES stream(id),
    first INTEGER,                    -- a segment's first change, how many, and the stream's chain after the last
    count INTEGER,
    head BLOB,
    chain BLOB NOT NULL,              -- the feed's chain after this entry
    sig BLOB,                         -- a verdict's signature
    at_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL,              -- the segment as it came, or the rulings
    UNIQUE (compartment, n)
);
CREATE INDEX feed_stream ON feed(stream, first) WHERE stream IS NOT NULL;
-- The last number of each feed; changed last in a transaction.
CREATE TABLE feed_head(compartment INTEGER PRIMARY KEY REFERENCES compartment(id), n INTEGER NOT NULL, chain BLOB NOT NULL);
-- Headquarters' own records: the one head of each.
CREATE TABLE hq_record(
    compartment INTEGER NOT NULL, record BLOB NOT NULL, head BLOB NOT NULL, PRIMARY KEY (compartment, record)
) WITHOUT ROWID;
-- Derived from headquarters' own stream.
CREATE TABLE officer(
    id BLOB PRIMARY KEY, handle TEXT NOT NULL UNIQUE, full_name TEXT NOT NULL, agency TEXT NOT NULL, team TEXT, role TEXT NOT NULL,
    active INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE team(id BLOB PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL, active INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE post(
    id BLOB PRIMARY KEY, code TEXT NOT NULL UNIQUE, team TEXT NOT NULL, name TEXT NOT NULL, latitude_e7 INTEGER, longitude_e7 INTEGER,
    active INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE operation(
    id BLOB PRIMARY KEY, compartment TEXT NOT NULL UNIQUE, code_name TEXT NOT NULL, active INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE operation_team(operation BLOB NOT NULL, team TEXT NOT NULL, PRIMARY KEY (operation, team)) WITHOUT ROWID;
CREATE TABLE device(
    id BLOB PRIMARY KEY, name TEXT NOT NULL, team TEXT, signing_key BLOB NOT NULL UNIQUE, digit INTEGER NOT NULL, active INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE officer_device(
    device BLOB NOT NULL, officer BLOB NOT NULL,
    adder BLOB,                       -- the change that added the element; NULL: the device's create
    signing_key BLOB NOT NULL, sealing_key BLOB NOT NULL,
    PRIMARY KEY (device, officer)
) WITHOUT ROWID;
CREATE TABLE grant_(
    officer BLOB NOT NULL, compartment INTEGER NOT NULL REFERENCES compartment(id), id BLOB NOT NULL,
    read INTEGER NOT NULL, write INTEGER NOT NULL, until_ms INTEGER, active INTEGER NOT NULL,
    PRIMARY KEY (officer, compartment)
) WITHOUT ROWID;
-- Known here alone.
CREATE TABLE installation(device BLOB PRIMARY KEY, sealing_key BLOB NOT NULL, certificate BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE code(
    secret_hash BLOB PRIMARY KEY, officer BLOB NOT NULL, expires_ms INTEGER NOT NULL,
    used_by BLOB,                     -- the device key that used it
    reply BLOB                        -- what it was answered
) WITHOUT ROWID;
CREATE TABLE device_root(device BLOB NOT NULL, root BLOB NOT NULL, cursors BLOB NOT NULL, PRIMARY KEY (device, root)) WITHOUT ROWID;
CREATE TABLE contact(device BLOB PRIMARY KEY, at_ms INTEGER NOT NULL, taken INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE password(officer BLOB PRIMARY KEY, hash TEXT NOT NULL, changed_ms INTEGER NOT NULL) WITHOUT ROWID;
