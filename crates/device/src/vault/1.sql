CREATE TABLE meta(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
-- The streams of this compartment, whoever wrote them.
CREATE TABLE stream(
    id INTEGER PRIMARY KEY,
    device BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    own INTEGER NOT NULL,             -- this file's own: new changes go here
    n INTEGER NOT NULL DEFAULT 0,     -- the last change
    head BLOB NOT NULL,               -- the chain after it
    run_first INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,  -- handed out for sending up to here
    acked INTEGER NOT NULL DEFAULT 0, -- receipted up to here
    acked_head BLOB,
    backed_up INTEGER NOT NULL DEFAULT 0,
    checked INTEGER NOT NULL DEFAULT 0, -- the device's signature was checked up to here
    stamp_ms INTEGER NOT NULL DEFAULT 0,
    stamp_count INTEGER NOT NULL DEFAULT 0,
    UNIQUE (device, incarnation)
);
CREATE TABLE run(stream INTEGER NOT NULL, first INTEGER NOT NULL, seed BLOB NOT NULL, PRIMARY KEY (stream, first)) WITHOUT ROWID;
CREATE TABLE signed_head(stream INTEGER NOT NULL, n INTEGER NOT NULL, head BLOB NOT NULL, sig BLOB NOT NULL, PRIMARY KEY (stream, n)) WITHOUT ROWID;
CREATE TABLE attestation(
    stream INTEGER NOT NULL, n INTEGER NOT NULL, officer BLOB NOT NULL, sig BLOB NOT NULL, PRIMARY KEY (stream, n, officer)
) WITHOUT ROWID;
CREATE TABLE receipt(stream INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
-- The log. A name may stand twice, in two streams: it is one change.
CREATE TABLE change(
    place INTEGER PRIMARY KEY,        -- stream << 40 | n
    record INTEGER,                   -- NULL: this version cannot read it
    name BLOB NOT NULL,
    header BLOB NOT NULL,
    payload BLOB,                     -- NULL: erased, and `salt` holds k
    salt BLOB                         -- NULL: derived from the run's seed
);
CREATE INDEX change_record ON change(record);
-- Where a name stands, by its first eight bytes. Follows behind the saves, up to `named_to`.
CREATE TABLE named(name8 BLOB NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (name8, place)) WITHOUT ROWID;
CREATE TABLE named_to(stream INTEGER PRIMARY KEY, n INTEGER NOT NULL);
-- What was ruled otherwise than accepted.
CREATE TABLE ruling(name BLOB PRIMARY KEY, verdict INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
-- Derived from the log.
CREATE TABLE record(
    id INTEGER PRIMARY KEY,
    uuid BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    occurred_ms INTEGER NOT NULL,
    listed INTEGER NOT NULL,          -- some change counts, and no void is in force
    conflicts INTEGER NOT NULL,
    state BLOB                        -- NULL where one change alone counts: it says all
);
CREATE INDEX record_listed ON record(kind, occurred_ms, id) WHERE listed;
CREATE INDEX record_conflict ON record(id) WHERE conflicts > 0;
-- Records that the search has to look at again. Those beyond `meta.searched` it has not seen yet.
CREATE TABLE unsearched(record INTEGER PRIMARY KEY);
CREATE VIRTUAL TABLE search USING fts5(terms, content='', contentless_delete=1, detail=none, tokenize="ascii");
