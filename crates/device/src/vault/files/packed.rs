//! Which chunks of which files go into a pack, and how far packs have carried a file. Never says that anybody holds one.
//!
//! Packs are lost, come late, and are answered late or never. So a pack does not carry what headquarters last said to hold, and of the rest first
//! what no pack has carried yet; what was only written goes again, from the beginning, when everything else has gone as often. A file of which
//! all chunks do not fit goes as far as they do, and the next pack goes on there.

use std::collections::HashMap;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Epoch, FileHash};
use daftar_wire::file::{Bitmap, FileId, chunk_bytes, chunk_count};
use daftar_wire::limits::FILE_EXCHANGE_FILES_MAX;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::held;
use super::plan::{Candidate, to_offer};
use super::{Store, find};
use crate::error::Result;
use crate::sql::{int, uint};

/// A file of which something goes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAlong {
    /// Which.
    pub file: FileId,
    /// A photo or another file itself, and no thumbnail.
    pub is_original: bool,
    /// Its chunks that do not go, because the reader holds them or there is no room; all others do.
    pub without: Bitmap,
    /// What goes is all that the reader lacks, as far as he has said.
    pub is_all: bool,
    /// Where the next pack goes on once this one is written.
    next: Place,
}

/// Files that go along, in their order, and how many stay for want of room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesAlong {
    /// Which: what no pack has carried yet first; among those thumbnails first, then the smallest.
    pub files: Vec<FileAlong>,
    /// How many of the others, thumbnails not counted, found no room at all.
    pub stay: u64,
    /// Nothing stays, not even a part of one.
    pub is_all: bool,
}

/// How far packs have carried a file to somebody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    /// How often its end was written.
    rounds: u64,
    /// The next chunk.
    next: u32,
}

impl Store {
    /// What headquarters has not given its word for, in so many bytes.
    pub fn files_for_hq(&self, bytes_max: u64) -> Result<FilesAlong> {
        let (epoch, server) = (*held(&self.epoch), self.device().server);
        let mut all = Vec::new();
        for c in self.compartments() {
            let found = self.within_each(&c, |vault| {
                let conn = vault.conn();
                to_offer(&conn, &c, &epoch)?.into_iter().map(|f| waiting(&conn, f, &server, Some(&epoch))).collect::<Result<Vec<_>>>()
            })?;
            all.extend(found.unwrap_or_default());
        }
        Ok(along(&all, bytes_max))
    }

    /// What records in these compartments name and is here, for another device, in so many bytes. What it holds it does not say.
    pub fn files_for_device(&self, to: &DeviceId, compartments: &[Compartment], bytes_max: u64) -> Result<FilesAlong> {
        let mut all = Vec::new();
        // One may close while a pack is written.
        for c in compartments.iter().filter(|c| self.vault(c).is_ok()) {
            let found = self.within_each(c, |vault| {
                let conn = vault.conn();
                named_and_whole(&conn, c)?.into_iter().map(|f| waiting(&conn, f, to, None)).collect::<Result<Vec<_>>>()
            })?;
            all.extend(found.unwrap_or_default());
        }
        Ok(along(&all, bytes_max))
    }

    /// A pack for somebody is written with these files: the next goes on behind them, and begins anew if `is_all` that waited is in it.
    pub fn files_packed(&self, to: &DeviceId, files: &[FileAlong], is_all: bool) -> Result<()> {
        let mut of_each: HashMap<&Compartment, Vec<&FileAlong>> = HashMap::new();
        files.iter().for_each(|f| of_each.entry(&f.file.compartment).or_default().push(f));
        let all = self.compartments();
        for c in all.iter().filter(|c| is_all || of_each.contains_key(c)) {
            self.within_each(c, |vault| {
                vault.write(|tx| {
                    if is_all {
                        tx.prepare_cached("DELETE FROM file_packed WHERE reader = ?1")?.execute([to.0])?;
                        return Ok(());
                    }
                    let mut row = tx.prepare_cached(
                        "INSERT OR REPLACE INTO file_packed(file, reader, rounds, next) SELECT id, ?2, ?3, ?4 FROM file WHERE sha256 = ?1",
                    )?;
                    for f in of_each.get(c).into_iter().flatten() {
                        row.execute(params![f.file.sha256.0, to.0, int(f.next.rounds), f.next.next])?;
                    }
                    Ok(())
                })
            })?;
        }
        Ok(())
    }

    /// Headquarters said which chunks of a file it holds, in its present life. Takes nothing off any queue.
    pub fn held_at_hq(&self, file: &FileId, bits: &[u8]) -> Result<()> {
        let epoch = *held(&self.epoch);
        let Ok(vault) = self.vault(&file.compartment) else { return Ok(()) };
        let id = {
            let conn = vault.conn();
            let Some(row) = find(&conn, &file.sha256)?.filter(|row| row.whole) else { return Ok(()) };
            let Some(said) = Bitmap::read(chunk_count(row.size), bits) else { return Ok(()) };
            // It is said of every file in every exchange: what is not news costs no write.
            if at_hq(&conn, row.id, said.count(), &epoch)?.unwrap_or_else(|| Bitmap::empty(said.count())) == said {
                return Ok(());
            }
            row.id
        };
        vault.write(|tx| {
            tx.prepare_cached("INSERT OR REPLACE INTO file_at_hq(file, epoch, held) SELECT id, ?2, ?3 FROM file WHERE id = ?1")?
                .execute(params![id, epoch.0, bits])?;
            Ok(())
        })
    }
}

/// A file that waits for a pack: what its reader lacks, and how far packs have carried it.
struct Waiting {
    file: FileId,
    is_thumbnail: bool,
    size: u64,
    has: Bitmap,
    at: Place,
}

/// What is left of a file's round, or, `is_again`, what the next begins with.
struct Stretch<'a> {
    rounds: u64,
    of: &'a Waiting,
    is_again: bool,
}

impl Waiting {
    fn stretches(&self) -> [Stretch<'_>; 2] {
        [false, true].map(|is_again| Stretch { rounds: self.at.rounds + u64::from(is_again), of: self, is_again })
    }
}

impl Stretch<'_> {
    fn chunks(&self) -> impl Iterator<Item = u32> + '_ {
        self.of.has.missing().filter(|index| (*index < self.of.at.next) == self.is_again)
    }
}

/// `epoch`: the reader is headquarters, whose word of that life counts.
fn waiting(conn: &Connection, f: Candidate, reader: &DeviceId, epoch: Option<&Epoch>) -> Result<Waiting> {
    let count = chunk_count(f.size);
    let row: Option<(i64, Option<u64>, Option<u32>)> = conn
        .prepare_cached(
            "SELECT f.id, p.rounds, p.next FROM file f LEFT JOIN file_packed p ON p.file = f.id AND p.reader = ?2 WHERE f.sha256 = ?1",
        )?
        .query_row(params![f.file.sha256.0, reader.0], |r| Ok((r.get(0)?, r.get::<_, Option<i64>>(1)?.map(uint), r.get(2)?)))
        .optional()?;
    let (id, rounds, next) = row.unwrap_or_default();
    let said = match epoch {
        Some(epoch) => at_hq(conn, id, count, epoch)?,
        None => None,
    };
    // All of it and no receipt: that word leads nowhere.
    let has = said.filter(|bits| !bits.is_full()).unwrap_or_else(|| Bitmap::empty(count));
    let at = Place { rounds: rounds.unwrap_or(0), next: next.unwrap_or(0) };
    Ok(Waiting { file: f.file, is_thumbnail: f.is_thumbnail, size: f.size, has, at })
}

/// What headquarters said to hold of a file in this life of it.
fn at_hq(conn: &Connection, file: i64, count: u32, epoch: &Epoch) -> Result<Option<Bitmap>> {
    let bits: Option<Vec<u8>> = conn
        .prepare_cached("SELECT held FROM file_at_hq WHERE file = ?1 AND epoch = ?2")?
        .query_row(params![file, epoch.0], |r| r.get(0))
        .optional()?;
    Ok(bits.and_then(|bits| Bitmap::read(count, &bits)))
}

/// What fits, chunk by chunk: what packs carried less often first; then thumbnails, then the smallest.
fn along(all: &[Waiting], bytes_max: u64) -> FilesAlong {
    let mut stretches: Vec<Stretch<'_>> = all.iter().flat_map(Waiting::stretches).collect();
    let rank = |s: &Stretch<'_>| (s.rounds, !s.of.is_thumbnail, s.of.size);
    stretches.sort_by(|a, b| (rank(a), &a.of.file).cmp(&(rank(b), &b.of.file)));
    let (mut files, mut places): (Vec<FileAlong>, HashMap<&FileId, usize>) = (Vec::new(), HashMap::new());
    let mut left = bytes_max;
    'full: for s in &stretches {
        let of = s.of;
        for index in s.chunks() {
            let Some(rest) = left.checked_sub(chunk_bytes(of.size, index).unwrap_or(0) as u64) else { break 'full };
            if files.len() >= FILE_EXCHANGE_FILES_MAX && !places.contains_key(&of.file) {
                break 'full;
            }
            left = rest;
            let place = *places.entry(&of.file).or_insert(files.len());
            if place == files.len() {
                let (file, without) = (of.file.clone(), Bitmap::full(of.has.count()));
                files.push(FileAlong { file, is_original: !of.is_thumbnail, without, is_all: false, next: of.at });
            }
            files[place].without.set(index, false);
            files[place].next = Place { rounds: s.rounds, next: index + 1 };
        }
        if let Some(place) = places.get(&of.file).filter(|_| !s.is_again) {
            files[*place].next = Place { rounds: s.rounds + 1, next: 0 };
        }
    }
    let mut stay = 0;
    for of in all {
        match places.get(&of.file) {
            Some(place) => files[*place].is_all = files[*place].without == of.has,
            None => stay += u64::from(!of.is_thumbnail),
        }
    }
    let is_all = files.len() == all.len() && files.iter().all(|f| f.is_all);
    FilesAlong { files, stay, is_all }
}

fn named_and_whole(conn: &Connection, c: &Compartment) -> Result<Vec<Candidate>> {
    let mut rows = conn.prepare_cached(
        "SELECT f.sha256, f.size, max(n.thumbnail) FROM file f JOIN file_ref n ON n.sha256 = f.sha256 WHERE f.whole GROUP BY f.sha256",
    )?;
    let rows = rows.query_map([], |r| {
        let file = FileId { compartment: c.clone(), sha256: FileHash(r.get(0)?) };
        Ok(Candidate { file, size: uint(r.get(1)?), is_thumbnail: r.get(2)?, held: None::<Bitmap>, state_only: false })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
