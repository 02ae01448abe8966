//! A person's verdict on a change: a signed entry of the feed, which only another revises. Never changes what was written.

use std::time::{Duration, Instant};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, OfficerId};
use daftar_wire::message::{FeedVerdict, Ruling, Verdict};

use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::project::Projector;
use crate::store::meta;
use crate::store::verdict::{self, JudgedRow};

/// A verdict's reason has at most so many bytes.
pub const REASON_BYTES_MAX: usize = 500;
/// How long a command waits for the console's tables.
const CATCH_UP_MAX: Duration = Duration::from_secs(120);

/// What a person decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Where the change is.
    pub compartment: Compartment,
    /// What was ruled before.
    pub before: Verdict,
    /// The entry of the feed; `None`: it stood so already, and nothing was written.
    pub n: Option<u64>,
}

/// A verdict's name for people and programs.
pub fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Review => "review",
        Verdict::Quarantined => "quarantined",
        Verdict::Erased => "erased",
    }
}

impl Headquarters {
    /// The change of this name, in tables that hold all that the feeds do.
    pub fn judged(&self, projector: &Projector, change: &ChangeName) -> Result<JudgedRow> {
        projector.catch_up(Instant::now() + CATCH_UP_MAX)?;
        projector.read(|tx| verdict::change(tx, change))?.ok_or_else(|| Error::Refused(format!("no change {change}")))
    }

    /// Rules on a change, with a reason in the person's words. `by`: who; `None`: at the command line.
    pub fn decide(&self, change: &JudgedRow, verdict: Verdict, reason: &str, by: Option<&OfficerId>) -> Result<Decided> {
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
            return Err(Error::Refused(format!("a verdict has a reason of 1 to {REASON_BYTES_MAX} bytes")));
        }
        if change.device == self.identity.device {
            return Err(Error::Refused("this is headquarters' own change: amend its record instead".into()));
        }
        if verdict == Verdict::Erased {
            return Err(Error::Refused("erasing is an act of its own, by an order".into()));
        }
        if verdict == Verdict::Accepted {
            match change.said {
                None => return Err(Error::Refused("this change cannot be read: it stays set aside".into())),
                Some((_, kind, _)) if kind.is_of_headquarters() => {
                    return Err(Error::Refused("only headquarters writes such records: this change is never accepted".into()));
                }
                Some(_) => {}
            }
        }
        self.store.write(|tx| {
            let place = meta::compartment_of(tx, change.place)?;
            let decided = Decided { compartment: place.name.clone(), before: change.verdict, n: None };
            if change.verdict == verdict {
                return Ok(decided);
            }
            let rulings = vec![Ruling { change: change.name, verdict, reason: reason.to_owned() }];
            let (key, epoch) = (&self.keys.signing, meta::life(tx)?.epoch);
            let rule = |n: u64| (rulings.clone(), FeedVerdict::sign_rulings(key, &place.name, &epoch, n, &rulings));
            let n = verdict::append(tx, &place, self.clock.now_ms(), by, &rule)?;
            Ok(Decided { n: Some(n), ..decided })
        })
    }
}
