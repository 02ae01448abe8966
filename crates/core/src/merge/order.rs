//! Who descends from whom among one record's changes. Never looks at what a change sets.

use std::collections::BTreeSet;

use crate::change::Change;

/// Above so many members a set of changes may become bits.
const FEW_MAX: usize = 64;

/// A set of changes, one bit for each place among the record's changes.
#[derive(Debug, Clone)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(n: usize) -> Self {
        Self(vec![0; n.div_ceil(64)])
    }

    pub(super) fn set(&mut self, i: usize) {
        self.0[i / 64] |= 1 << (i % 64);
    }

    pub(super) fn has(&self, i: usize) -> bool {
        self.0[i / 64] & (1 << (i % 64)) != 0
    }

    fn union(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|w| w.count_ones()).sum()
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(w, word)| {
            std::iter::successors(Some(*word), |rest| Some(rest & rest.wrapping_sub(1)))
                .take_while(|rest| *rest != 0)
                .map(move |rest| w * 64 + rest.trailing_zeros() as usize)
        })
    }
}

/// A set of changes, a list while there are few. Each act costs at most some n/64 steps, so that a record with
/// thousands of concurrent changes does not cost their square for every path.
#[derive(Debug)]
pub(super) enum Members {
    Few(Vec<usize>),
    Many(Bits),
}

impl Default for Members {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Members {
    /// Adds a change that is not in it; `n` is the number of all changes.
    pub(super) fn insert(&mut self, i: usize, n: usize) {
        match self {
            Self::Few(list) if list.len() < FEW_MAX.max(n / 64) => list.push(i),
            Self::Few(list) => {
                let mut bits = Bits::new(n);
                list.iter().for_each(|m| bits.set(*m));
                bits.set(i);
                *self = Self::Many(bits);
            }
            Self::Many(bits) => bits.set(i),
        }
    }

    /// Takes out whoever is in `seen`.
    pub(super) fn supersede(&mut self, seen: &Bits) {
        match self {
            Self::Few(list) => list.retain(|i| !seen.has(*i)),
            Self::Many(bits) => bits.0.iter_mut().zip(&seen.0).for_each(|(a, b)| *a &= !b),
        }
    }

    /// Whether anybody is not in `seen`.
    pub(super) fn any_outside(&self, seen: &Bits) -> bool {
        match self {
            Self::Few(list) => list.iter().any(|i| !seen.has(*i)),
            Self::Many(bits) => bits.0.iter().zip(&seen.0).any(|(a, b)| a & !b != 0),
        }
    }

    /// Takes out, and names, whoever is not in `seen`.
    pub(super) fn take_outside(&mut self, seen: &Bits) -> Vec<usize> {
        if !self.any_outside(seen) {
            return Vec::new();
        }
        let (inside, outside): (Vec<usize>, Vec<usize>) = self.to_vec().into_iter().partition(|i| seen.has(*i));
        match self {
            Self::Few(list) => *list = inside,
            Self::Many(bits) => bits.0.iter_mut().zip(&seen.0).for_each(|(a, b)| *a &= b),
        }
        outside
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(list) => list.is_empty(),
            Self::Many(bits) => bits.0.iter().all(|w| *w == 0),
        }
    }

    pub(super) fn to_vec(&self) -> Vec<usize> {
        match self {
            Self::Few(list) => list.clone(),
            Self::Many(bits) => bits.iter().collect(),
        }
    }
}

/// One record's changes by name, and their edges.
pub(super) struct Graph<'a> {
    /// Each change once, ascending by name: a place in it orders as the name does.
    pub(super) changes: Vec<&'a Change>,
    /// The places of each change's parents that are here.
    parents: Vec<Vec<usize>>,
    /// A change names a parent that is not here.
    missing: bool,
}

/// What a walk found.
pub(super) struct Walked {
    /// The places of the changes from which none descends, ascending.
    pub(super) heads: Vec<usize>,
    /// An edge leads to nothing.
    pub(super) missing_parent: bool,
}

impl<'a> Graph<'a> {
    pub(super) fn of(changes: &'a [Change]) -> Self {
        let mut changes: Vec<&Change> = changes.iter().collect();
        changes.sort_by_key(|c| c.name);
        changes.dedup_by_key(|c| c.name);
        let mut missing = false;
        let parents = changes
            .iter()
            .map(|change| {
                let named: BTreeSet<_> = change.header.parents.iter().collect();
                let mut here = Vec::with_capacity(named.len());
                for name in named {
                    match changes.binary_search_by_key(name, |c| c.name) {
                        Ok(p) if change.name != *name => here.push(p),
                        Ok(_) | Err(_) => missing = true,
                    }
                }
                here
            })
            .collect();
        Self { changes, parents, missing }
    }

    /// Visits every change once, parents first, with its place and the set of its ancestors and itself.
    ///
    /// A circle cannot be made of hashes. Should one come all the same, it is cut at its least name, as if that
    /// change's parents were missing.
    pub(super) fn walk(&self, mut visit: impl FnMut(usize, &Bits)) -> Walked {
        let n = self.changes.len();
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); n];
        for (i, parents) in self.parents.iter().enumerate() {
            parents.iter().for_each(|p| children[*p].push(i));
        }
        let mut waits: Vec<usize> = self.parents.iter().map(Vec::len).collect();
        let mut uses: Vec<usize> = children.iter().map(Vec::len).collect();
        let mut ready: Vec<usize> = (0..n).rev().filter(|i| waits[*i] == 0).collect();
        let mut done = vec![false; n];
        let mut is_head = vec![true; n];
        let mut rows: Vec<Option<Bits>> = vec![None; n];
        let mut missing_parent = self.missing;
        let mut least = 0;
        loop {
            let Some(i) = ready.pop() else {
                while least < n && done[least] {
                    least += 1;
                }
                if least == n {
                    break;
                }
                missing_parent = true;
                ready.push(least);
                continue;
            };
            let mut seen: Option<Bits> = None;
            for &p in self.parents[i].iter().filter(|p| done[**p]) {
                is_head[p] = false;
                uses[p] -= 1;
                // The last child to ask inherits the row itself, so that a long chain copies nothing.
                let row = if uses[p] == 0 { rows[p].take() } else { None };
                match (&mut seen, row) {
                    (None, Some(row)) => seen = Some(row),
                    (None, None) => seen.clone_from(&rows[p]),
                    (Some(seen), Some(row)) => seen.union(&row),
                    (Some(seen), None) => rows[p].iter().for_each(|row| seen.union(row)),
                }
            }
            let mut seen = seen.unwrap_or_else(|| Bits::new(n));
            seen.set(i);
            done[i] = true;
            visit(i, &seen);
            if uses[i] > 0 {
                rows[i] = Some(seen);
            }
            for &c in &children[i] {
                waits[c] -= 1;
                if waits[c] == 0 && !done[c] {
                    ready.push(c);
                }
            }
        }
        Walked { heads: (0..n).filter(|i| is_head[*i]).collect(), missing_parent }
    }
}
