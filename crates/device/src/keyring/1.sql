CREATE TABLE device(
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL,
    signing BLOB NOT NULL,
    sealing BLOB NOT NULL,
    protection INTEGER NOT NULL,
    device BLOB,
    certificate BLOB,
    ca BLOB,
    address TEXT,
    server BLOB,
    server_signing BLOB,
    server_sealing BLOB,
    epoch BLOB,
    digit INTEGER
);
CREATE TABLE officer(
    id BLOB PRIMARY KEY,
    handle TEXT NOT NULL UNIQUE,
    full_name TEXT NOT NULL,
    agency TEXT NOT NULL,
    team TEXT,
    role TEXT NOT NULL,
    salt BLOB NOT NULL,
    memory_kib INTEGER NOT NULL,
    passes INTEGER NOT NULL,
    lanes INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL,            -- private keys under Argon2id of the PIN
    sealing_key BLOB NOT NULL,       -- public
    own_file TEXT NOT NULL,
    own_key BLOB NOT NULL,           -- sealed to the officer
    own_made INTEGER NOT NULL DEFAULT 0,
    wrong INTEGER NOT NULL DEFAULT 0,
    next_try_ms INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
-- Keys of an officer who has asked to be enrolled and has no answer yet.
CREATE TABLE pending(
    secret BLOB PRIMARY KEY,
    salt BLOB NOT NULL,
    memory_kib INTEGER NOT NULL,
    passes INTEGER NOT NULL,
    lanes INTEGER NOT NULL,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE compartment(
    file TEXT PRIMARY KEY,
    tag BLOB NOT NULL UNIQUE,        -- keyed hash of the name, to find a file that another officer made
    escrow BLOB NOT NULL,            -- name and key, sealed to headquarters
    made INTEGER NOT NULL DEFAULT 0  -- once set, a missing file is a loss and not a fresh start
) WITHOUT ROWID;
CREATE TABLE door(
    officer BLOB NOT NULL REFERENCES officer(id),
    file TEXT NOT NULL REFERENCES compartment(file),
    access BLOB NOT NULL,            -- name and rights, sealed to the officer
    key BLOB,                        -- sealed to the officer; NULL until a colleague who holds it has unlocked
    PRIMARY KEY (officer, file)
) WITHOUT ROWID;
CREATE TABLE contact(
    one INTEGER PRIMARY KEY CHECK (one = 1),
    hq_time_ms INTEGER,              -- headquarters' time at the last contact
    device_time_ms INTEGER,          -- the device's time then
    error TEXT,                      -- why the last attempt failed
    tried_ms INTEGER NOT NULL        -- the device's time of it
);
CREATE TABLE setting(k TEXT PRIMARY KEY, v TEXT NOT NULL) WITHOUT ROWID;
