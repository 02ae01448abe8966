//! Reading and checking a segment ahead of its commit. Never writes, and never has the last word.

use std::collections::HashMap;

use daftar_core::ids::{ChangeName, DeviceId, Head};
use daftar_wire::WireError;
use daftar_wire::segment::{Outline, Segment, SignedHead};
use daftar_wire::sign::{VerifyingKey, verify_head, verifying_key};
use daftar_wire::stream::{StreamId, next};
use rusqlite::Connection;

use super::judge::{Claim, Facts};
use crate::error::Result;
use crate::hq::Headquarters;
use crate::store::meta;
use crate::store::{feed, people};

/// A segment that was read and, where its place was foreseen, checked.
pub(super) struct Prepared {
    pub(super) segment: Segment,
    pub(super) bytes: Vec<u8>,
    pub(super) names: Vec<ChangeName>,
    pub(super) facts: Vec<Facts>,
    /// The chain before the first change, if the device's word for what follows holds there.
    pub(super) signed_at: Option<Head>,
}

/// What becomes of what a device sent.
pub(super) enum Ready {
    Segment(Box<Prepared>),
    Refused { stream: StreamId, first: u64, reason: &'static str },
}

/// How far each stream will be held when all that was prepared is committed, and whose key signs it.
#[derive(Default)]
pub(super) struct Ahead {
    places: HashMap<StreamId, (u64, Head)>,
    keys: HashMap<DeviceId, VerifyingKey>,
}

impl Ahead {
    /// For an exchange with this device.
    pub(super) fn of(device: DeviceId, key: VerifyingKey) -> Self {
        Self { keys: HashMap::from([(device, key)]), ..Self::default() }
    }
}

/// The code of what is wrong with a segment's bytes.
pub(super) fn reason(e: &WireError) -> &'static str {
    match e {
        WireError::Malformed(_) => "malformed",
        WireError::TooLarge { .. } => "too_large",
        WireError::Signature(_) => "bad_signature",
        WireError::Newer(_) => "newer",
    }
}

/// The key that signs a device's streams; headquarters' own for its own.
pub(super) fn key_of(hq: &Headquarters, tx: &Connection, device: &DeviceId) -> Result<Option<VerifyingKey>> {
    if *device == hq.identity.device {
        return Ok(Some(hq.keys.signing.verifying_key()));
    }
    Ok(people::device(tx, device)?.map(|d| verifying_key(&d.signing_key)).transpose()?)
}

/// What the database says of a segment's stream before the segment is read.
struct Before {
    key: Option<VerifyingKey>,
    at: (u64, Head),
}

fn before(hq: &Headquarters, ahead: &Ahead, stream: &StreamId) -> Result<Before> {
    hq.store.read(|tx| {
        let place = meta::compartment(tx, &stream.compartment)?;
        let key = match ahead.keys.get(&stream.device) {
            Some(key) => Some(*key),
            None => key_of(hq, tx, &stream.device)?,
        };
        let at = match (ahead.places.get(stream), &place) {
            (Some(at), _) => *at,
            (None, Some(place)) => {
                let row = feed::stream(tx, place, stream)?;
                (row.n, row.head)
            }
            (None, None) => (0, stream.start()),
        };
        Ok(Before { key, at })
    })
}

/// Reads a segment and names its changes. Needs nothing but its bytes.
pub(super) fn read(bytes: Vec<u8>) -> std::result::Result<Ready, WireError> {
    let Outline { stream, first, .. } = Segment::outline(&bytes)?;
    let segment = match Segment::read(&bytes) {
        Ok(segment) => segment,
        Err(e) => return Ok(Ready::Refused { stream, first, reason: reason(&e) }),
    };
    let (names, facts): (Vec<ChangeName>, Vec<Facts>) = segment
        .entries
        .iter()
        .map(|entry| match entry.skim(&stream.compartment) {
            Ok((name, header)) => (name, Some(Claim::of(&header))),
            Err(_) => (entry.name(&stream.compartment), None),
        })
        .unzip();
    Ok(Ready::Segment(Box::new(Prepared { segment, bytes, names, facts, signed_at: None })))
}

/// Where a segment carries on what is held, checks the chain and the device's word.
pub(super) fn check(hq: &Headquarters, ahead: &mut Ahead, ready: Ready) -> Ready {
    let Ready::Segment(mut prepared) = ready else { return ready };
    let Prepared { segment, names, signed_at, .. } = &mut *prepared;
    let stream = &segment.stream;
    let Before { key, at: (n, at) } = match before(hq, ahead, stream) {
        Ok(before) => before,
        Err(error) => {
            tracing::error!(%error, "a stream's place could not be read");
            return Ready::Refused { stream: stream.clone(), first: segment.first, reason: "unavailable" };
        }
    };
    // The device and the compartment may become known by what is committed before this.
    if let Some(key) = key {
        ahead.keys.insert(stream.device, key);
        if segment.first == n + 1
            && let Ok(after) = chain(stream, segment.first, names, &segment.heads, at, &key)
        {
            ahead.places.insert(stream.clone(), (segment.last(), after));
            *signed_at = Some(at);
        }
    }
    Ready::Segment(prepared)
}

/// The chain after the last of these changes, if the device's signatures over it hold and one is for the last.
pub(super) fn chain(
    stream: &StreamId,
    first: u64,
    names: &[ChangeName],
    heads: &[SignedHead],
    before: Head,
    key: &VerifyingKey,
) -> std::result::Result<Head, WireError> {
    let (mut at, mut n) = (before, first - 1);
    let mut is_signed = false;
    let mut heads: Vec<&SignedHead> = heads.iter().filter(|h| h.n >= first).collect();
    heads.sort_by_key(|h| h.n);
    let mut heads = heads.into_iter().peekable();
    for name in names {
        (at, n) = (next(at, *name), n + 1);
        is_signed = false;
        while let Some(head) = heads.next_if(|h| h.n == n) {
            verify_head(key, stream, n, &at, &head.sig)?;
            is_signed = true;
        }
    }
    if is_signed { Ok(at) } else { Err(WireError::Signature("a segment's last change")) }
}
