//! A device that no engine drives: it signs by hand what an engine would never write. Never writes into another's stream.

use std::collections::BTreeMap;

use daftar_core::authorize::Role;
use daftar_core::change::{Header, Op, Payload};
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{ChangeName, DeviceId, Head, Incarnation, RecordId};
use daftar_core::record::Kind;
use daftar_core::time::{ClockReading, Stamp};
use daftar_core::value::{Path, Value};
use daftar_sync_server::store::people::Device as DeviceRow;
use daftar_wire::change::{Body, Entry, salt, write_header};
use daftar_wire::enrol::EnrolRequest;
use daftar_wire::message::{Answer, Ask, Hello};
use daftar_wire::segment::{Run, Segment, SignedHead};
use daftar_wire::sign::{SigningKey, sign_head};
use daftar_wire::stream::StreamId;
use tokio::sync::mpsc::channel;

use crate::broken::{Broken, Checked};
use crate::hq::{Hq, Person};
use crate::link::block_on;
use crate::rng::Rng;

/// The device.
pub struct Rogue {
    /// Its officer.
    pub person: Person,
    row: DeviceRow,
    signing: SigningKey,
    incarnation: Incarnation,
    streams: BTreeMap<Compartment, (u64, Head)>,
    /// What it sent, each segment by its first number.
    sent: BTreeMap<Compartment, BTreeMap<u64, Vec<u8>>>,
    /// Creates whose amendment was sent before them.
    pub owed: Vec<(Compartment, Entry)>,
}

impl Rogue {
    /// Enrols it.
    pub fn enrol(hq: &Hq, rng: &mut Rng) -> Checked<Self> {
        let person = hq.person("rogue", Agency::Moi, "imt-1", Role::Officer)?;
        let code = hq.code(&person)?;
        let (signing, officer) = (SigningKey::from_bytes(&rng.bytes()), SigningKey::from_bytes(&rng.bytes()));
        let answer = hq.enrol(EnrolRequest {
            secret: code.secret,
            device_name: "rogue".into(),
            device_signing: signing.verifying_key().to_bytes(),
            device_sealing: [9; 32],
            officer_signing: officer.verifying_key().to_bytes(),
            officer_sealing: [8; 32],
        })?;
        let row = hq.device(&answer.device)?;
        Ok(Self {
            person,
            row,
            signing,
            incarnation: Incarnation(rng.bytes()),
            streams: BTreeMap::new(),
            sent: BTreeMap::new(),
            owed: Vec::new(),
        })
    }

    /// Its identity.
    pub fn id(&self) -> DeviceId {
        self.row.id
    }

    /// A change's header.
    pub fn header(&self, record: RecordId, op: Op, parents: Vec<ChangeName>, now_ms: u64) -> Header {
        Header {
            device: self.row.id,
            record,
            kind: Kind::Inspection,
            author: self.person.id,
            op,
            stamp: Stamp { ms: now_ms, count: 0 },
            clock: ClockReading::default(),
            parents,
        }
    }

    /// A change that can be read. Its salt is its own: no run gives it.
    pub fn entry(&self, header: &Header, set: BTreeMap<Path, Value>, own_salt: [u8; 32]) -> Checked<Entry> {
        Ok(Entry::write(header, &Payload { set, reason: None }, own_salt)?)
    }

    /// A change whose payload is no payload.
    pub fn poison(&self, header: &Header, own_salt: [u8; 32]) -> Entry {
        Entry { header: write_header(header), body: Body::Whole { payload: vec![0xff, 0x00, 0x13], salt: own_salt } }
    }

    fn stream(&self, c: &Compartment) -> StreamId {
        StreamId { compartment: c.clone(), device: self.row.id, incarnation: self.incarnation }
    }

    /// Puts these changes at its stream's end and sends them; says what was answered.
    pub fn send(&mut self, hq: &Hq, c: &Compartment, entries: Vec<Entry>, rng: &mut Rng) -> Checked<Vec<Answer>> {
        let stream = self.stream(c);
        let (n, before) = self.streams.get(c).copied().unwrap_or((0, stream.start()));
        let (first, seed) = (n + 1, rng.bytes());
        debug_assert_ne!(salt(&seed, 0), [0; 32]);
        let mut segment = Segment { stream, first, entries, runs: vec![Run { first, seed }], heads: Vec::new(), attestations: Vec::new() };
        let head = segment.chain(before).head();
        let last = segment.last();
        segment.heads.push(SignedHead { n: last, sig: sign_head(&self.signing, &segment.stream, last, &head) });
        let bytes = segment.write()?;
        self.streams.insert(c.clone(), (last, head));
        self.sent.entry(c.clone()).or_default().insert(first, bytes);
        self.bring(hq, c)
    }

    /// Sends all that headquarters lacks of its stream there: it may have been restored.
    fn bring(&self, hq: &Hq, c: &Compartment) -> Checked<Vec<Answer>> {
        let held = hq.held(&self.stream(c))?;
        let sent = self.sent.get(c).into_iter().flatten();
        let from = sent.clone().map(|(first, _)| *first).filter(|first| *first <= held + 1).max();
        self.say(hq, sent.filter(|(first, _)| Some(**first) >= from).map(|(_, bytes)| bytes.clone()).collect())
    }

    /// Sends again whatever headquarters lacks.
    pub fn bring_all(&self, hq: &Hq) -> Checked {
        for (c, (n, _)) in &self.streams {
            if hq.held(&self.stream(c))? < *n {
                self.bring(hq, c)?;
            }
        }
        Ok(())
    }

    fn say(&self, hq: &Hq, segments: Vec<Vec<u8>>) -> Checked<Vec<Answer>> {
        let service = hq.service();
        let hello =
            Hello { root: [0; 16], officers: vec![self.person.id], cursors: Vec::new(), budget: None, lineage: None, begun: Vec::new() };
        let (ask, asks) = channel(4);
        let (answers, mut said) = channel(4);
        block_on(async {
            let asking = async move {
                let all = std::iter::once(Ask::Hello(hello)).chain(segments.into_iter().map(Ask::Segment)).chain([Ask::End]);
                for message in all {
                    let _ = ask.send(message).await;
                }
            };
            let serving = async {
                let done = service.sync(&self.row, asks, &answers).await;
                drop(answers);
                done
            };
            let hearing = async {
                let mut all = Vec::new();
                while let Some(answer) = said.recv().await {
                    all.push(answer);
                }
                all
            };
            let ((), done, all) = tokio::join!(asking, serving, hearing);
            done.map(|_| all).map_err(|e| Broken(format!("an exchange failed: {e}")))
        })
    }
}
