-- Files that are here, whole or in part; their bytes lie sealed in the compartment's folder of files.
CREATE TABLE file(
    id INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    held BLOB NOT NULL,               -- bits of the chunks that are here
    whole INTEGER NOT NULL,           -- all are, and come to the name
    spoilt INTEGER NOT NULL DEFAULT 0, -- it was whole, and what the disk lost is to be fetched again
    blob TEXT NOT NULL UNIQUE,        -- the random name in the folder
    key BLOB NOT NULL
);
-- 32 bytes for each chunk: its SHA-256. Apart, so that a bit that changes does not write the list again.
CREATE TABLE file_chunks(file INTEGER PRIMARY KEY REFERENCES file(id) ON DELETE CASCADE, list BLOB NOT NULL);
-- Headquarters' signed word that it holds a file whole.
CREATE TABLE file_receipt(sha256 BLOB PRIMARY KEY, epoch BLOB NOT NULL, at_ms INTEGER NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID;
-- Files that an officer asked for.
CREATE TABLE file_wanted(sha256 BLOB PRIMARY KEY) WITHOUT ROWID;
-- Which files records name. Derived from the log.
CREATE TABLE file_ref(
    record INTEGER NOT NULL, sha256 BLOB NOT NULL, thumbnail INTEGER NOT NULL, size INTEGER, PRIMARY KEY (record, sha256)
) WITHOUT ROWID;
CREATE INDEX file_ref_sha256 ON file_ref(sha256);
