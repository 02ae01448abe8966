-- Files by compartment and SHA-256; the bytes lie sealed in `files/`. There is a row for each thing that somebody says a file is made of,
-- until one of them is whole and fits the name: that one stays alone.
CREATE TABLE file(
    id INTEGER PRIMARY KEY,
    compartment INTEGER NOT NULL REFERENCES compartment(id),
    sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    made_of BLOB NOT NULL,            -- SHA-256 of the list of its chunks
    held BLOB NOT NULL,               -- bits of the chunks that are here
    whole INTEGER NOT NULL DEFAULT 0, -- all are, and come to the name
    blob TEXT NOT NULL UNIQUE,        -- the random name in the folder
    salt BLOB NOT NULL,               -- with the database's key it gives the file's key
    device BLOB NOT NULL,             -- which offered it first
    offered_ms INTEGER NOT NULL,
    whole_ms INTEGER,
    UNIQUE (compartment, sha256, made_of)
);
-- 32 bytes for each chunk: its SHA-256. Apart, so that a bit that changes does not write the list again.
CREATE TABLE file_chunks(file INTEGER PRIMARY KEY REFERENCES file(id) ON DELETE CASCADE, list BLOB NOT NULL);
