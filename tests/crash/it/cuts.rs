//! Every cut of a workload: where the power fails, what is left, and what had been said until then. Never knows whose files they are.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use daftar_crash::{Cut, Kind, Medium, Op, Random};

/// The files of a folder, by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A workload as it went.
pub struct Played<M> {
    /// The medium before it.
    pub before: Medium,
    /// All that was done to it.
    pub ops: Vec<Op>,
    /// Before this operation the power does not fail.
    pub first: usize,
    /// What could be seen when so many operations were done: before the first act, and after each.
    pub marks: Vec<(usize, M)>,
}

impl<M> Played<M> {
    /// After which operations the power fails: all that is not a write, every truncation, and so many writes, spread evenly.
    fn places(&self, writes_max: usize) -> HashSet<usize> {
        let of = |writes: bool| (self.first..self.ops.len()).filter(move |i| (self.ops[*i].kind() == Kind::Write) == writes);
        let truncations = of(true).filter(|i| matches!(self.ops[*i], Op::Truncate { .. }));
        let step = of(true).count().div_ceil(writes_max.max(1)).max(1);
        of(false).chain(truncations).chain(of(true).step_by(step).take(writes_max)).collect()
    }

    /// Judges what every cut leaves, each state once: what it is, its files, what had been said, and what the act under way would say.
    pub fn each_state(&self, name: &str, writes_max: usize, judge: impl Fn(&str, &Files, &M, &M)) -> usize {
        let places = self.places(writes_max);
        let mut medium = self.before.clone();
        let mut judged: HashSet<u64> = HashSet::new();
        for (i, op) in self.ops.iter().enumerate() {
            medium.take(op);
            if !places.contains(&i) {
                continue;
            }
            let done = self.marks.iter().filter(|(ops, _)| *ops <= i + 1).count().max(1) - 1;
            for (mode, cut) in Cut::ALL.into_iter().enumerate() {
                let files = medium.after_cut(cut, &mut Random((i * 4 + mode) as u64));
                let mut hasher = DefaultHasher::new();
                (&files, done).hash(&mut hasher);
                if judged.insert(hasher.finish()) {
                    let what = format!("{name}: cut after operation {i} of {}, {cut:?} survives, {done} acts done", self.ops.len());
                    let now = &self.marks[done].1;
                    judge(&what, &files, now, self.marks.get(done + 1).map_or(now, |(_, m)| m));
                }
            }
        }
        judged.len()
    }
}

/// What belongs to the medium: neither shared memory nor what only a running process has.
pub fn is_kept(name: &str) -> bool {
    !name.ends_with("-shm") && name != "lock" && name != "reserve"
}

/// Writes what a cut left into a folder.
pub fn lay_out(files: &Files, home: &Path) {
    for (name, bytes) in files {
        let path = home.join(name);
        std::fs::create_dir_all(path.parent().expect("below the home")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
}
