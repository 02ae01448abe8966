-- What headquarters last said to hold of a file that it has not all of: what a pack need not carry. Only its receipt says that it holds one.
CREATE TABLE file_at_hq(file INTEGER PRIMARY KEY REFERENCES file(id) ON DELETE CASCADE, epoch BLOB NOT NULL, held BLOB NOT NULL);
-- How far packs have carried a file to a reader: how often its end was written, and with which chunk the next pack goes on.
CREATE TABLE file_packed(
    file INTEGER NOT NULL REFERENCES file(id) ON DELETE CASCADE,
    reader BLOB NOT NULL,
    rounds INTEGER NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (file, reader)
) WITHOUT ROWID;
