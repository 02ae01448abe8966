//! Headquarters opened: its identity, keys, database and clock; and how it writes its own signed stream. Never speaks HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use daftar_core::change::{Header, Op, Payload};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::time::{ClockQuality, ClockReading, Stamp};
use daftar_core::value::{Path, Value};
use daftar_wire::change::{Entry, salt};
use daftar_wire::limits::SEGMENT_CHANGES_MAX;
use daftar_wire::segment::{Run, Segment, SignedHead};
use daftar_wire::sign::sign_head;
use daftar_wire::stream::StreamId;
use rusqlite::Connection;

use crate::blob::Blobs;
use crate::clock::Clock;
use crate::derive;
use crate::error::Result;
use crate::keys::{Folder, Keys};
use crate::random::random;
use crate::store::feed::{self, NewSegment};
use crate::store::meta::{self, Identity, Life, Place};
use crate::store::{Store, people};

/// Headquarters, opened.
pub struct Headquarters {
    /// Where it stands.
    pub folder: Folder,
    /// What it is.
    pub identity: Identity,
    /// What it signs with.
    pub keys: Keys,
    /// What it keeps.
    pub store: Store,
    /// Files' bytes.
    pub blobs: Blobs,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// A change that headquarters is about to write to its own stream.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) record: RecordId,
    pub(crate) kind: Kind,
    pub(crate) op: Op,
    pub(crate) set: BTreeMap<Path, Value>,
}

impl Headquarters {
    /// Opens the headquarters in a folder.
    pub fn open(folder: Folder, clock: Arc<dyn Clock>) -> Result<Self> {
        let keys = Keys::read(&folder)?;
        let store = Store::open(folder.database(), keys.database.clone(), false)?;
        let identity = store.read(|tx| {
            // A database without a life is none of ours.
            meta::life(tx)?;
            meta::identity(tx)
        })?;
        let blobs = Blobs::new(folder.files(), keys.database.clone());
        Ok(Self { folder, identity, keys, store, blobs, clock })
    }

    /// A new record's id.
    pub(crate) fn new_record(&self) -> Result<RecordId> {
        Ok(RecordId::new(self.clock.now_ms(), random()?))
    }

    /// The author of what headquarters itself writes.
    pub(crate) fn author(&self) -> OfficerId {
        OfficerId(self.identity.device.0)
    }

    /// Which life this is, as of now. In a transaction of one's own: `meta::life`.
    pub fn life(&self) -> Result<Life> {
        self.store.read(|tx| meta::life(tx))
    }

    /// The stream that headquarters writes in this life.
    pub(crate) fn stream(&self, tx: &Connection, compartment: &Compartment) -> Result<StreamId> {
        let incarnation = meta::life(tx)?.incarnation;
        Ok(StreamId { compartment: compartment.clone(), device: self.identity.device, incarnation })
    }

    /// Writes changes to headquarters' own stream in a compartment, and what follows from them to the tables.
    pub(crate) fn append(&self, tx: &Connection, place: &Place, drafts: &[Draft]) -> Result<()> {
        drafts.chunks(SEGMENT_CHANGES_MAX as usize).try_for_each(|run| self.append_run(tx, place, run))
    }

    fn append_run(&self, tx: &Connection, place: &Place, drafts: &[Draft]) -> Result<()> {
        let stream = self.stream(tx, &place.name)?;
        let held = feed::stream(tx, place, &stream)?;
        let seed = random::<32>()?;
        let mut stamp = meta::stamp(tx)?;
        let mut entries = Vec::with_capacity(drafts.len());
        for (i, draft) in drafts.iter().enumerate() {
            stamp = Stamp::next(stamp, self.clock.now_ms());
            let parents = people::record_heads(tx, place, &draft.record)?.into_iter().map(|h| h.0).collect();
            let entry = self.entry(draft, stamp, parents, salt(&seed, i as u64))?;
            let change = entry.read(&place.name)?;
            people::set_record_heads(tx, place, &draft.record, &[(change.name, stamp.ms)])?;
            derive::apply(tx, place, &change)?;
            entries.push(entry);
        }
        meta::set_stamp(tx, stamp)?;
        let first = held.n + 1;
        let mut segment = Segment { stream, first, entries, runs: vec![Run { first, seed }], heads: Vec::new(), attestations: Vec::new() };
        let head = segment.chain(held.head).head();
        let n = segment.last();
        segment.heads.push(SignedHead { n, sig: sign_head(&self.keys.signing, &segment.stream, n, &head) });
        let bytes = segment.write()?;
        let new = NewSegment { stream: &segment.stream, first, count: drafts.len() as u32, head, bytes: &bytes };
        feed::append(tx, place, &held, &new, self.clock.now_ms(), None)?;
        Ok(())
    }

    fn entry(&self, draft: &Draft, stamp: Stamp, parents: Vec<ChangeName>, salt: [u8; 32]) -> Result<Entry> {
        let header = Header {
            device: self.identity.device,
            record: draft.record,
            kind: draft.kind,
            author: self.author(),
            op: draft.op,
            stamp,
            clock: ClockReading { offset_ms: 0, quality: ClockQuality::Recent },
            parents,
        };
        Ok(Entry::write(&header, &Payload { set: draft.set.clone(), reason: None }, salt)?)
    }
}
