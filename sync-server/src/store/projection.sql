CREATE TABLE meta(k TEXT PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;
-- How far each feed is projected. `id` is the compartment's row in headquarters' database.
CREATE TABLE compartment(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, n INTEGER NOT NULL);
-- Every change once, those that do not count too.
CREATE TABLE change(
    id INTEGER PRIMARY KEY,           -- rises in the order in which they were projected
    compartment INTEGER NOT NULL REFERENCES compartment(id),
    name BLOB NOT NULL UNIQUE,
    record BLOB,                      -- NULL: it cannot be read
    kind INTEGER,
    op INTEGER,
    author BLOB,
    device BLOB NOT NULL,             -- the stream that brought it first, and its place there
    incarnation BLOB NOT NULL,
    n INTEGER NOT NULL,
    feed_n INTEGER NOT NULL,          -- its segment's place in the feed
    received_ms INTEGER NOT NULL,     -- by the server's clock
    stamp_ms INTEGER,                 -- by the device's clock
    verdict INTEGER NOT NULL,         -- 0 accepted, 1 review, 2 quarantined
    reason TEXT,
    header BLOB NOT NULL,
    payload BLOB                      -- NULL: erased
);
CREATE INDEX change_record ON change(compartment, record);
CREATE INDEX change_judged ON change(verdict) WHERE verdict <> 0;
-- Every record of which some change counts.
CREATE TABLE record(
    id INTEGER PRIMARY KEY,           -- also its row in `search`
    compartment INTEGER NOT NULL REFERENCES compartment(id),
    uuid BLOB NOT NULL,
    kind INTEGER NOT NULL,
    state BLOB NOT NULL,
    occurred_ms INTEGER NOT NULL,     -- or when it was made
    number TEXT,
    headline TEXT NOT NULL,
    detail TEXT,
    team TEXT,
    post TEXT,
    conflicts INTEGER NOT NULL,       -- paths with more than one value
    hidden INTEGER NOT NULL,          -- voided
    revived INTEGER NOT NULL,         -- voided, and shown because a change did not see it
    missing_parent INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    touched_ms INTEGER NOT NULL,      -- when its last change came, by the server's clock
    UNIQUE (compartment, uuid)
);
CREATE INDEX record_occurred ON record(compartment, kind, occurred_ms);
CREATE INDEX record_touched ON record(touched_ms);
CREATE INDEX record_conflict ON record(id) WHERE conflicts > 0;
CREATE VIRTUAL TABLE search USING fts5(terms, content='', contentless_delete=1, detail=none, tokenize="ascii");
-- Which files records name, thumbnails too.
CREATE TABLE file_ref(
    record INTEGER NOT NULL, sha256 BLOB NOT NULL, compartment INTEGER NOT NULL REFERENCES compartment(id),
    PRIMARY KEY (record, sha256)
) WITHOUT ROWID;
CREATE INDEX file_ref_compartment ON file_ref(compartment);
