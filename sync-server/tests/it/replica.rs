//! A holder that is not the server: what it has of a compartment after segments from anywhere. Never asserts.

use std::convert::Infallible;

use daftar_core::ids::{ChangeName, Digest, Head};
use daftar_wire::branch::{Branch, Place, place};
use daftar_wire::message::{self, Heads};
use daftar_wire::segment::Segment;
use daftar_wire::sign::VerifyingKey;
use daftar_wire::stream::{StreamHead, StreamId, digest, next};

use crate::support::{Device, c};

/// A stream, or a branch of one.
#[derive(Clone)]
pub struct Way {
    pub stream: StreamId,
    pub split: Option<Head>,
    names: Vec<ChangeName>,
}

impl Branch for Way {
    type Error = Infallible;
    fn last(&self) -> u64 {
        self.names.len() as u64
    }
    fn head_at(&self, n: u64) -> Result<Head, Infallible> {
        Ok(self.names[..n as usize].iter().fold(self.stream.start(), |h, name| next(h, *name)))
    }
    fn names(&self, from: u64, to: u64) -> Result<Vec<ChangeName>, Infallible> {
        Ok(self.names[from as usize - 1..to as usize].to_vec())
    }
}

pub struct Replica {
    compartment: String,
    keys: Vec<([u8; 16], VerifyingKey)>,
    pub ways: Vec<Way>,
}

fn never<T>(done: Result<T, Infallible>) -> T {
    match done {
        Ok(done) => done,
        Err(never) => match never {},
    }
}

impl Replica {
    /// Knows headquarters' key and those of these devices.
    pub fn new(compartment: &str, devices: &[&Device]) -> Self {
        let server = devices[0];
        let key = daftar_wire::sign::verifying_key(&server.enrolled.server_signing).expect("a key");
        let keys = devices.iter().map(|d| (d.enrolled.device.0, d.keys.signing.verifying_key()));
        Self { compartment: compartment.into(), keys: keys.chain([(server.enrolled.server.0, key)]).collect(), ways: Vec::new() }
    }

    /// Applies segments in this order; what has no place here is passed over.
    pub fn apply(&mut self, segments: &[Segment]) {
        for segment in segments {
            let key = self.keys.iter().find(|k| k.0 == segment.stream.device.0).expect("a known device").1;
            if !self.ways.iter().any(|w| w.stream == segment.stream) {
                self.ways.push(Way { stream: segment.stream.clone(), split: None, names: Vec::new() });
            }
            let at: Vec<usize> = (0..self.ways.len()).filter(|i| self.ways[*i].stream == segment.stream).collect();
            let ways: Vec<Way> = at.iter().map(|i| self.ways[*i].clone()).collect();
            let names: Vec<ChangeName> = segment.entries.iter().map(|e| e.name(&segment.stream.compartment)).collect();
            match never(place(&ways, segment.first, &names, |before| segment.check(before, &key).is_ok())) {
                Place::Next { branch, held } => self.ways[at[branch]].names.extend(&names[held..]),
                Place::Fork { branch, held } => {
                    let shared = segment.first as usize - 1 + held;
                    let split = never(ways[branch].head_at(shared as u64));
                    let names = ways[branch].names[..shared].iter().chain(&names[held..]).copied().collect();
                    self.ways.push(Way { stream: segment.stream.clone(), split: Some(split), names });
                }
                Place::Held { .. } | Place::Gap { .. } | Place::Unsigned => {}
            }
        }
    }

    fn ends(&self) -> Vec<StreamHead> {
        let end = |w: &Way| StreamHead {
            device: w.stream.device,
            incarnation: w.stream.incarnation,
            n: w.last(),
            head: never(w.head_at(w.last())),
        };
        self.ways.iter().map(end).collect()
    }

    pub fn digest(&self) -> Digest {
        digest(&self.ends())
    }

    /// How a device says what it holds.
    pub fn heads(&self) -> Heads {
        let branches = self.ends().into_iter().zip(&self.ways).map(|(end, w)| message::Branch {
            device: end.device,
            incarnation: end.incarnation,
            split: w.split,
            n: end.n,
            head: end.head,
        });
        Heads { compartment: c(&self.compartment), branches: branches.collect() }
    }

    /// How far each way of a stream goes.
    pub fn lengths(&self, stream: &StreamId) -> Vec<u64> {
        self.ways.iter().filter(|w| w.stream == *stream).map(Branch::last).collect()
    }
}
