//! What a medium holds when the power fails: files as they were synced, and of the rest nothing, some, torn pieces, or all. Knows no SQLite.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::disk::Op;

/// A sector is written whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What of the unsynced survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing.
    Nothing,
    /// Each write and name by chance, whatever came before it.
    Some,
    /// Each write sector by sector, by chance.
    Torn,
    /// Everything: the process was killed, and the machine went on.
    Everything,
}

impl Cut {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Some, Self::Torn, Self::Everything];
}

/// Chance that can be repeated (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    fn coin(&mut self) -> bool {
        self.number() & 1 == 1
    }
}

#[derive(Debug, Clone)]
enum Pending {
    Write(u64, Arc<[u8]>),
    Length(u64),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

/// A folder on a medium.
#[derive(Debug, Clone, Default)]
pub struct Medium {
    inodes: Vec<Inode>,
    /// The names as programs see them, and as they are on the medium.
    seen: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    /// Names that were made or removed and are not on the medium yet, in order.
    names: Vec<(String, Option<usize>)>,
}

fn write_at(bytes: &mut Vec<u8>, at: u64, part: &[u8]) {
    let at = usize::try_from(at).expect("files here fit into memory");
    if bytes.len() < at + part.len() {
        bytes.resize(at + part.len(), 0);
    }
    bytes[at..at + part.len()].copy_from_slice(part);
}

impl Inode {
    fn settle(&mut self) {
        for one in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, &one);
        }
    }
}

fn apply(bytes: &mut Vec<u8>, one: &Pending) {
    match one {
        Pending::Write(at, part) => write_at(bytes, *at, part),
        Pending::Length(len) => bytes.resize(usize::try_from(*len).expect("files here fit into memory"), 0),
    }
}

fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Medium {
    /// A folder as it stands, all of it durable; `takes` says which files belong to it.
    pub fn of(root: &Path, takes: &dyn Fn(&str) -> bool) -> Self {
        let mut medium = Self::default();
        medium.read(root, root, takes);
        medium.durable = medium.seen.clone();
        medium
    }

    fn read(&mut self, root: &Path, folder: &Path, takes: &dyn Fn(&str) -> bool) {
        for entry in std::fs::read_dir(folder).expect("the folder can be read").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).expect("below the root").to_str().expect("plain names").to_owned();
            if path.is_dir() {
                self.read(root, &path, takes);
            } else if takes(&name) {
                self.seen.insert(name, self.inodes.len());
                self.inodes.push(Inode { durable: std::fs::read(&path).expect("the file can be read"), pending: Vec::new() });
            }
        }
    }

    /// Something was done.
    pub fn take(&mut self, op: &Op) {
        match op {
            Op::Create { name } => {
                self.inodes.push(Inode::default());
                let inode = self.inodes.len() - 1;
                self.seen.insert(name.clone(), inode);
                self.names.push((name.clone(), Some(inode)));
            }
            Op::Write { name, at, bytes } => self.inode(name).pending.push(Pending::Write(*at, bytes.clone())),
            Op::Truncate { name, len } => self.inode(name).pending.push(Pending::Length(*len)),
            Op::Sync { name, with_dir } => {
                self.inode(name).settle();
                if *with_dir {
                    self.settle_names(folder(name));
                }
            }
            // After a failed sync the system takes the pages for clean: what was waiting may never be written.
            Op::SyncFailed { name } => self.inode(name).pending.clear(),
            Op::Delete { name, with_dir } => {
                self.seen.remove(name);
                self.names.push((name.clone(), None));
                if *with_dir {
                    self.settle_names(folder(name));
                }
            }
        }
    }

    fn inode(&mut self, name: &str) -> &mut Inode {
        let inode = *self.seen.get(name).expect("what is written was made before");
        &mut self.inodes[inode]
    }

    fn settle_names(&mut self, of: &str) {
        let (settled, left) = std::mem::take(&mut self.names).into_iter().partition(|(name, _)| folder(name) == of);
        self.names = left;
        let settled: Vec<(String, Option<usize>)> = settled;
        for (name, inode) in settled {
            put(&mut self.durable, name, inode);
        }
    }

    /// The files that are found after a power cut now.
    pub fn after_cut(&self, cut: Cut, random: &mut Random) -> BTreeMap<String, Vec<u8>> {
        let mut names = self.durable.clone();
        let survive = match cut {
            Cut::Nothing => 0,
            // Names are kept in order by the file system's own journal.
            Cut::Some | Cut::Torn => random.below(self.names.len() as u64 + 1) as usize,
            Cut::Everything => self.names.len(),
        };
        for (name, inode) in &self.names[..survive] {
            put(&mut names, name.clone(), *inode);
        }
        names.into_iter().map(|(name, inode)| (name, survivor(&self.inodes[inode], cut, random))).collect()
    }
}

fn put(names: &mut BTreeMap<String, usize>, name: String, inode: Option<usize>) {
    match inode {
        Some(inode) => names.insert(name, inode),
        None => names.remove(&name),
    };
}

fn survivor(inode: &Inode, cut: Cut, random: &mut Random) -> Vec<u8> {
    let mut bytes = inode.durable.clone();
    for one in &inode.pending {
        match (cut, one) {
            (Cut::Nothing, _) => {}
            (Cut::Everything, _) => apply(&mut bytes, one),
            (Cut::Some, _) | (Cut::Torn, Pending::Length(_)) => {
                if random.coin() {
                    apply(&mut bytes, one);
                }
            }
            (Cut::Torn, Pending::Write(at, part)) => torn(&mut bytes, *at, part, random),
        }
    }
    bytes
}

/// Writes the sectors that chance lets through.
fn torn(bytes: &mut Vec<u8>, at: u64, part: &[u8], random: &mut Random) {
    let mut from = 0;
    while from < part.len() {
        let in_sector = usize::try_from(at).expect("files here fit into memory") + from;
        let to = part.len().min(from + SECTOR_BYTES - in_sector % SECTOR_BYTES);
        if random.coin() {
            write_at(bytes, in_sector as u64, &part[from..to]);
        }
        from = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(name: &str, at: u64, bytes: &[u8]) -> Op {
        Op::Write { name: name.into(), at, bytes: bytes.into() }
    }

    #[test]
    fn only_what_was_synced_is_sure_and_a_name_needs_its_folder() {
        let mut m = Medium::default();
        let name = "vault/a.db".to_owned();
        let sync = |with_dir| Op::Sync { name: "vault/a.db".into(), with_dir };
        m.take(&Op::Create { name: name.clone() });
        m.take(&write(&name, 0, &[1; 1024]));
        m.take(&sync(false));
        assert!(m.after_cut(Cut::Nothing, &mut Random(1)).is_empty(), "the name is not on the medium");
        m.take(&sync(true));
        m.take(&write(&name, 512, &[2; 1024]));
        assert_eq!(m.after_cut(Cut::Nothing, &mut Random(1))[&name], [1; 1024]);
        assert_eq!(m.after_cut(Cut::Everything, &mut Random(1))[&name][512..], [2; 1024]);
        let torn: Vec<Vec<u8>> = (0..64).map(|seed| m.after_cut(Cut::Torn, &mut Random(seed)).remove(&name).expect("there")).collect();
        assert!(torn.iter().any(|b| b.len() == 1536 && b[512] == 1 && b[1024] == 2), "a later sector without the one before it");
        m.take(&Op::SyncFailed { name: name.clone() });
        assert_eq!(m.after_cut(Cut::Everything, &mut Random(1))[&name], [1; 1024], "what a failed sync was to write is gone");
        m.take(&Op::Delete { name: name.clone(), with_dir: false });
        assert!(m.after_cut(Cut::Nothing, &mut Random(1)).contains_key(&name));
        assert!(m.after_cut(Cut::Everything, &mut Random(1)).is_empty());
    }
}
