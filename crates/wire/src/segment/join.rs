//! Small segments of one stream are joined into large ones: what a device lacks then costs what its changes come to, however many
//! segments they arrived in. Never changes a change; what proves the last change of a joined segment proves all before it.

use std::collections::BTreeMap;

use super::{Attestation, Segment};
use crate::limits::{SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX};

/// Joins segments of one stream that follow one another, as far as a segment may go. Gives them back in order.
pub fn join(segments: impl IntoIterator<Item = Segment>) -> Vec<Segment> {
    let mut joined: Vec<Joining> = Vec::new();
    for segment in segments {
        let bytes = segment.entries.iter().map(|e| e.len() as u64).sum();
        match joined.last_mut().filter(|j| j.takes(&segment, bytes)) {
            Some(j) => j.take(segment, bytes),
            None => joined.push(Joining { segment, bytes }),
        }
    }
    joined.into_iter().map(Joining::done).collect()
}

struct Joining {
    segment: Segment,
    bytes: u64,
}

impl Joining {
    fn takes(&self, next: &Segment, bytes: u64) -> bool {
        next.stream == self.segment.stream
            && next.first == self.segment.last() + 1
            && self.segment.entries.len() + next.entries.len() <= SEGMENT_CHANGES_MAX as usize
            && self.bytes + bytes <= SEGMENT_PLAIN_BYTES_MAX
    }

    fn take(&mut self, next: Segment, bytes: u64) {
        self.bytes += bytes;
        self.segment.entries.extend(next.entries);
        // A run that was sent in parts is named in each of them.
        let known = self.segment.runs.last().map_or(0, |r| r.first);
        self.segment.runs.extend(next.runs.into_iter().filter(|r| r.first > known));
        self.segment.heads.extend(next.heads);
        self.segment.attestations.extend(next.attestations);
    }

    /// Of all signatures the last of the device and of each officer cover the others.
    fn done(self) -> Segment {
        let mut segment = self.segment;
        let last = segment.last();
        segment.heads.retain(|h| h.n == last);
        let mut newest: BTreeMap<_, Attestation> = BTreeMap::new();
        for a in segment.attestations.drain(..) {
            match newest.get(&a.officer) {
                Some(known) if known.n >= a.n => {}
                Some(_) | None => {
                    newest.insert(a.officer, a);
                }
            }
        }
        segment.attestations = newest.into_values().collect();
        segment
    }
}

#[cfg(test)]
mod tests {
    use daftar_core::change::{Header, Op, Payload};
    use daftar_core::compartment::Compartment;
    use daftar_core::ids::{DeviceId, Head, Incarnation, OfficerId, RecordId};
    use daftar_core::record::Kind;
    use daftar_core::time::{ClockReading, Stamp};

    use super::*;
    use crate::change::{Entry, salt};
    use crate::segment::{Run, SignedHead};
    use crate::sign::{SigningKey, attest, sign_head};
    use crate::stream::StreamId;

    /// A stream of so many segments of two changes, each signed and attested.
    fn stream(segments: u64) -> (SigningKey, Vec<Segment>) {
        let key = SigningKey::from_bytes(&[4; 32]);
        let stream = StreamId { compartment: Compartment::reference(), device: DeviceId([1; 16]), incarnation: Incarnation([3; 16]) };
        let officer = OfficerId([2; 16]);
        let mut head = stream.start();
        let made = (0..segments)
            .map(|s| {
                let first = 2 * s + 1;
                let seed = [s as u8; 32];
                let entry = |i: u64| {
                    let header = Header {
                        device: stream.device,
                        record: RecordId([i as u8; 16]),
                        kind: Kind::Inspection,
                        author: officer,
                        op: Op::Create,
                        stamp: Stamp { ms: 1_790_000_000_000 + first + i, count: 0 },
                        clock: ClockReading::default(),
                        parents: Vec::new(),
                    };
                    Entry::write(&header, &Payload::default(), salt(&seed, i)).expect("a small change")
                };
                let mut segment = Segment {
                    stream: stream.clone(),
                    first,
                    entries: vec![entry(0), entry(1)],
                    runs: vec![Run { first, seed }],
                    heads: Vec::new(),
                    attestations: Vec::new(),
                };
                head = segment.chain(head).head();
                let n = segment.last();
                segment.heads.push(SignedHead { n, sig: sign_head(&key, &stream, n, &head) });
                segment.attestations.push(Attestation { officer, n, sig: attest(&key, &officer, &stream, n, &head) });
                segment
            })
            .collect();
        (key, made)
    }

    #[test]
    fn joined_segments_hold_the_same_changes_under_the_same_chain_and_the_last_signatures() {
        let (key, small) = stream(200);
        let before: Vec<Entry> = small.iter().flat_map(|s| s.entries.clone()).collect();
        let joined = join(small);
        let sizes: Vec<usize> = joined.iter().map(|s| s.entries.len()).collect();
        assert_eq!(sizes, [256, 144], "as many changes as a segment may hold");
        let mut head: Head = joined[0].stream.start();
        for segment in &joined {
            head = segment.check(head, &key.verifying_key()).expect("the device's last word covers all").head();
            assert_eq!((segment.heads.len(), segment.attestations.len()), (1, 1));
            assert_eq!(Segment::read(&segment.write().expect("it is written")).as_ref(), Ok(segment));
        }
        assert_eq!(joined.into_iter().flat_map(|s| s.entries).collect::<Vec<_>>(), before);
    }

    #[test]
    fn what_does_not_follow_is_not_joined() {
        let (_, mut small) = stream(3);
        small.remove(1);
        assert_eq!(join(small).len(), 2);
    }
}
