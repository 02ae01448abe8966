//! A new life of the server: what it was said to hold before may be more than it holds. Deletes nothing; devices offer all again.

use daftar_core::ids::{Epoch, Incarnation};
use daftar_wire::message::{Cursor, FeedVerdict, feed_start};
use rusqlite::Connection;

use crate::error::Result;
use crate::hq::Headquarters;
use crate::random::random;
use crate::revocations;
use crate::store::meta::{self, Doubt, Life};
use crate::store::{enrolment, feed};

/// A server whose feeds devices know better than itself begins a new life, but not more often than this: a device that lies or is broken
/// shall not have all others fetch everything whenever it likes.
pub const OWN_EPOCH_MS: u64 = 24 * 3_600_000;

/// Begins a new life in one transaction: another epoch, another incarnation of headquarters' own stream, every feed chained anew with its
/// numbers as they were, and what was revoked outside the database in force.
pub fn begin(hq: &Headquarters, tx: &Connection) -> Result<Life> {
    let life = Life { epoch: Epoch(random()?), incarnation: Incarnation(random()?) };
    meta::set_life(tx, &life)?;
    for place in meta::compartments(tx)? {
        let sign = |n: u64, rulings: &[_]| FeedVerdict::sign_rulings(&hq.keys.signing, &place.name, &life.epoch, n, rulings);
        feed::rechain(tx, &place, feed_start(&place.name, &life.epoch), &sign)?;
    }
    // A code may have been used since.
    enrolment::end_codes(tx)?;
    revocations::enforce(hq, tx)?;
    Ok(life)
}

/// What a device's cursors say of this server's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Nothing that its feeds do not say too.
    Known,
    /// The device has more of a feed, or another feed, in this very life.
    SetBack,
}

/// Looks for a cursor of this life beyond or beside the feed that it names.
pub fn past(tx: &Connection, life: &Life, cursors: &[Cursor]) -> Result<Past> {
    for cursor in cursors.iter().filter(|c| c.epoch == life.epoch) {
        let Some((_, last)) = cursor.ranges.last() else { continue };
        let chain = match meta::compartment(tx, &cursor.compartment)? {
            Some(place) => feed::chain_at(tx, &place, *last)?,
            None => None,
        };
        if chain.is_none_or(|c| c.0[..8] != cursor.chain) {
            tracing::error!(compartment = %cursor.compartment, last, "a device's cursor is beyond or beside this feed");
            return Ok(Past::SetBack);
        }
    }
    Ok(Past::Known)
}

/// Notes that this server was set back, and begins a new life unless it has just done so. True if it did.
pub fn set_back(hq: &Headquarters, tx: &Connection) -> Result<bool> {
    let now = hq.clock.now_ms();
    let own = meta::doubt(tx, Doubt::OwnEpoch)?;
    let may = own.is_none_or(|at| now.abs_diff(at) >= OWN_EPOCH_MS);
    if may || meta::doubt(tx, Doubt::SetBack)?.is_none() {
        meta::set_doubt(tx, Doubt::SetBack, Some(now))?;
    }
    if may {
        begin_by_itself(hq, tx)?;
    } else {
        tracing::error!("this server may have been set back again; it keeps its epoch, and sends that device everything");
    }
    Ok(may)
}

/// A new life without anybody's command.
pub(crate) fn begin_by_itself(hq: &Headquarters, tx: &Connection) -> Result<()> {
    let now = hq.clock.now_ms();
    meta::set_doubt(tx, Doubt::SetBack, Some(now))?;
    meta::set_doubt(tx, Doubt::OwnEpoch, Some(now))?;
    let life = begin(hq, tx)?;
    tracing::error!(epoch = %life.epoch, "this server's database was set back without a restore: it begins a new epoch, and devices offer everything again");
    Ok(())
}
