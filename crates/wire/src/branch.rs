//! Where a segment belongs among the branches that its holder has of the stream. Pure: whoever asks reads his own log.

use daftar_core::ids::{ChangeName, Head};

/// A stream, or a branch of one, as its holder has it. A branch answers for what it shares with the stream that it left, too.
pub trait Branch {
    /// Why its log could not be read.
    type Error;
    /// The number of the last change.
    fn last(&self) -> u64;
    /// The chain after change `n`, which is not beyond the last.
    fn head_at(&self, n: u64) -> Result<Head, Self::Error>;
    /// The names of changes `from` to `to`, both included.
    fn names(&self, from: u64, to: u64) -> Result<Vec<ChangeName>, Self::Error>;
}

/// Where a segment belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It carries this branch on, after so many changes that are held already.
    Next {
        /// Which branch.
        branch: usize,
        /// So many of its first changes are held.
        held: usize,
    },
    /// All of it is held in this branch.
    Held {
        /// Which branch.
        branch: usize,
    },
    /// It leaves this branch: what follows is another history of the same stream, and a branch of its own.
    Fork {
        /// The branch that it leaves.
        branch: usize,
        /// So many of its first changes are the branch's too.
        held: usize,
    },
    /// Something before it is not here: the number that is.
    Gap {
        /// The number of the change that could come next.
        want: u64,
    },
    /// No branch leads to it by a chain that its device signed.
    Unsigned,
}

/// Finds a segment's place. `first` is the number of its first change, `names` are its changes, and `signed` says whether the device's
/// signatures hold when the chain stands at this place before its first change. No branch is the same as an empty one.
pub fn place<B: Branch>(branches: &[B], first: u64, names: &[ChangeName], mut signed: impl FnMut(Head) -> bool) -> Result<Place, B::Error> {
    let mut best: Option<(usize, usize)> = None;
    let (mut want, mut reached) = (1, false);
    for (i, branch) in branches.iter().enumerate() {
        want = want.max(branch.last() + 1);
        if first > branch.last() + 1 {
            continue;
        }
        reached = true;
        if !signed(branch.head_at(first - 1)?) {
            continue;
        }
        let overlap = usize::try_from(branch.last() + 1 - first).unwrap_or(usize::MAX).min(names.len());
        let held = branch.names(first, first + overlap as u64 - 1)?;
        let common = held.iter().zip(names).take_while(|(a, b)| a == b).count();
        if common == names.len() {
            return Ok(Place::Held { branch: i });
        }
        if common == overlap {
            return Ok(Place::Next { branch: i, held: overlap });
        }
        if best.is_none_or(|(_, most)| common > most) {
            best = Some((i, common));
        }
    }
    Ok(match best {
        Some((branch, held)) => Place::Fork { branch, held },
        None if reached => Place::Unsigned,
        None => Place::Gap { want },
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::stream::next;

    struct Chain(Vec<ChangeName>);

    impl Branch for Chain {
        type Error = Infallible;
        fn last(&self) -> u64 {
            self.0.len() as u64
        }
        fn head_at(&self, n: u64) -> Result<Head, Infallible> {
            Ok(head(&self.0[..n as usize]))
        }
        fn names(&self, from: u64, to: u64) -> Result<Vec<ChangeName>, Infallible> {
            Ok(self.0[from as usize - 1..to as usize].to_vec())
        }
    }

    fn names(text: &str) -> Vec<ChangeName> {
        text.bytes().map(|b| ChangeName([b; 32])).collect()
    }

    fn head(names: &[ChangeName]) -> Head {
        names.iter().fold(Head([0; 32]), |h, n| next(h, *n))
    }

    /// The place of the last changes of `whole`, from `first` on, among these branches.
    fn placed(branches: &[&str], whole: &str, first: u64) -> Place {
        let branches: Vec<Chain> = branches.iter().map(|b| Chain(names(b))).collect();
        let whole = names(whole);
        let (before, segment) = whole.split_at(first as usize - 1);
        let before = head(before);
        match place(&branches, first, segment, |h| h == before) {
            Ok(place) => place,
            Err(never) => match never {},
        }
    }

    #[test]
    fn a_segment_goes_on_is_held_leaves_or_waits() {
        assert_eq!(placed(&["abc"], "abcde", 4), Place::Next { branch: 0, held: 0 });
        assert_eq!(placed(&["abc"], "abcde", 2), Place::Next { branch: 0, held: 2 });
        assert_eq!(placed(&["abc"], "abc", 2), Place::Held { branch: 0 });
        assert_eq!(placed(&["abc"], "abxy", 2), Place::Fork { branch: 0, held: 1 });
        assert_eq!(placed(&["abc"], "xy", 1), Place::Fork { branch: 0, held: 0 });
        assert_eq!(placed(&["abc"], "abcdef", 5), Place::Gap { want: 4 });
        assert_eq!(placed(&["abc"], "abxy", 4), Place::Unsigned, "its chain leads to nothing that is here");
        assert_eq!(placed(&[], "ab", 1), Place::Gap { want: 1 }, "whoever holds nothing begins with an empty branch");
        assert_eq!(placed(&[""], "ab", 1), Place::Next { branch: 0, held: 0 });
    }

    #[test]
    fn a_branch_that_is_there_is_carried_on_and_not_made_again() {
        assert_eq!(placed(&["abc", "abx"], "abxy", 4), Place::Next { branch: 1, held: 0 });
        assert_eq!(placed(&["abc", "abx"], "abxy", 2), Place::Next { branch: 1, held: 2 });
        assert_eq!(placed(&["abc", "abx"], "abx", 3), Place::Held { branch: 1 });
        assert_eq!(placed(&["abc", "abx"], "abxz", 1), Place::Next { branch: 1, held: 3 });
        assert_eq!(placed(&["abcd", "abx"], "abcz", 1), Place::Fork { branch: 0, held: 3 }, "it leaves where it shares most");
    }
}
