//! What the two ends of an exchange say to each other: frames, and the messages in them.
//! `POST /v1/sync`: *hello, segment…, end* is answered by *receipts, items, verdicts, notices, end*. Never what is in a segment.

mod access;
mod admission;
mod answer;
mod feed;
mod frame;
mod heads;
mod hello;
mod notice;
mod peer;
mod receipt;

pub use access::{Purged, Reopen, Reopened, Revocation};
pub use admission::Admission;
pub use answer::{Answer, End, begun_in, begun_rest};
pub use feed::{FeedItem, FeedVerdict, Ruling, Verdict, feed_next, feed_start};
pub use frame::{FrameReader, frame};
pub use heads::{Branch, Heads};
pub use hello::{Begun, Cursor, Hello, Lineage, Root, Token, VERSION, read_cursors, root, write_cursors};
pub use notice::{Access, Notice};
pub use peer::PeerMessage;
pub(crate) use receipt::Held;
pub use receipt::{Receipt, Receipted, ShortReceipt};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Incarnation};
use minicbor::decode::Decoder;

use crate::WireError;
use crate::cbor::{Enc, Put, fixed};
use crate::stream::StreamId;

/// What a device sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Who and where it stands; always first.
    Hello(Hello),
    /// A segment's bytes, to be read by `Segment::read`. Of the device's own stream, or of another's that came by peer or pack.
    Segment(Vec<u8>),
    /// All has been said.
    End,
    /// What it holds of a compartment: the other end says which streams it wants, and sends what is lacking.
    Heads(Heads),
    /// A segment's bytes sealed to headquarters (`daftar outbox 1`, context: the device), from an outbox that nobody need unlock.
    Sealed(Vec<u8>),
    /// An officer's way into a compartment is gone from it.
    Purged(Purged),
    /// A compartment's key is asked back.
    Reopen(Reopen),
    /// A leader let an officer in.
    Admission(Admission),
    /// What does the other end hold of this device's own streams? Answered by a receipt at once, also if that is nothing.
    Recall,
    /// In a courier pack, behind the end: a word about files, to be read by `FileAsk::read`.
    File(Vec<u8>),
}

const HELLO: u8 = 1;
const SEGMENT: u8 = 2;
const END: u8 = 3;
const HEADS: u8 = 16;
const SEALED: u8 = 17;
const PURGED: u8 = 18;
const REOPEN: u8 = 19;
const ADMISSION: u8 = 20;
const RECALL: u8 = 23;
const FILE: u8 = 24;

impl Ask {
    /// The message as one frame.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Hello(h) => frame(HELLO, &h.write()),
            Self::Segment(bytes) => frame(SEGMENT, bytes),
            Self::End => frame(END, &[]),
            Self::Heads(h) => frame(HEADS, &h.write()),
            Self::Sealed(bytes) => frame(SEALED, bytes),
            Self::Purged(p) => frame(PURGED, &p.write()),
            Self::Reopen(r) => frame(REOPEN, &r.write()),
            Self::Admission(a) => frame(ADMISSION, &a.write()),
            Self::Recall => frame(RECALL, &[]),
            Self::File(word) => frame(FILE, word),
        }
    }

    /// Reads what stood in a frame. `None`: a message that this version does not know, to be passed over.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let (kind, body) = bytes.split_first().ok_or(WireError::Malformed("an empty frame"))?;
        or_passed_over(Self::read_known(*kind, body))
    }

    fn read_known(kind: u8, body: &[u8]) -> Result<Option<Self>, WireError> {
        Ok(match kind {
            HELLO => Some(Self::Hello(Hello::read(body)?)),
            SEGMENT => Some(Self::Segment(body.to_vec())),
            END => Some(Self::End),
            HEADS => Some(Self::Heads(Heads::read(body)?)),
            SEALED => Some(Self::Sealed(body.to_vec())),
            PURGED => Some(Self::Purged(Purged::read(body)?)),
            REOPEN => Some(Self::Reopen(Reopen::read(body)?)),
            ADMISSION => Some(Self::Admission(Admission::read(body)?)),
            RECALL => Some(Self::Recall),
            FILE => Some(Self::File(body.to_vec())),
            _ => None,
        })
    }
}

/// A message that names what only a later version knows is passed over, as one that is itself unknown.
fn or_passed_over<T>(read: Result<Option<T>, WireError>) -> Result<Option<T>, WireError> {
    match read {
        Err(WireError::Newer(_)) => Ok(None),
        read => read,
    }
}

pub(crate) fn get_compartment(d: &mut Decoder<'_>) -> Result<Compartment, WireError> {
    d.str()?.parse().map_err(|_| WireError::Newer("the name of a compartment"))
}

fn put_stream(e: &mut Enc<'_>, stream: &StreamId) -> Put {
    e.str(stream.compartment.as_str())?.bytes(&stream.device.0)?.bytes(&stream.incarnation.0)?.ok()
}

fn get_stream(d: &mut Decoder<'_>) -> Result<StreamId, WireError> {
    Ok(StreamId { compartment: get_compartment(d)?, device: DeviceId(fixed(d)?), incarnation: Incarnation(fixed(d)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use daftar_core::compartment::Compartment;
    use daftar_core::ids::{Digest, Epoch, Head, OfficerId};

    #[test]
    fn messages_come_back_from_frames_cut_anywhere() {
        let hello = Ask::Hello(Hello {
            root: [7; 16],
            officers: vec![OfficerId([1; 16])],
            cursors: vec![Cursor {
                compartment: Compartment::reference(),
                epoch: Epoch([2; 16]),
                ranges: vec![(1, 9), (12, 12)],
                chain: [3; 8],
                digest: Digest([4; 32]),
            }],
            budget: Some(64_000),
            lineage: Some(Lineage { previous: Some([1; 8]), next: [2; 8] }),
            begun: vec![Begun::of(&[5; 300])],
        });
        let heads = Heads {
            compartment: Compartment::reference(),
            branches: vec![
                Branch { device: DeviceId([1; 16]), incarnation: Incarnation([2; 16]), split: None, n: 7, head: Head([3; 32]) },
                Branch {
                    device: DeviceId([1; 16]),
                    incarnation: Incarnation([2; 16]),
                    split: Some(Head([4; 32])),
                    n: 9,
                    head: Head([5; 32]),
                },
            ],
        };
        let key = crate::sign::SigningKey::from_bytes(&[7; 32]);
        let purged = Purged::sign(&key, &DeviceId([1; 16]), OfficerId([2; 16]), Compartment::reference(), 9, true);
        purged.verify(&key.verifying_key(), &DeviceId([1; 16])).expect("its own word");
        let reopen = Reopen { officer: OfficerId([2; 16]), compartment: Compartment::reference(), file: "a".into(), escrow: vec![1; 80] };
        let said = [
            hello,
            Ask::Recall,
            Ask::Segment(vec![5; 3000]),
            Ask::Heads(heads),
            Ask::Sealed(vec![6; 99]),
            Ask::Purged(purged),
            Ask::Reopen(reopen),
            Ask::End,
            Ask::File(vec![7; 12]),
        ];
        let bytes: Vec<u8> = said.iter().flat_map(Ask::write).collect();
        for cut in [1, 2, 7, 1000] {
            let mut reader = FrameReader::default();
            let mut heard = Vec::new();
            for piece in bytes.chunks(cut) {
                reader.push(piece);
                while let Some(f) = reader.next().expect("whole frames") {
                    heard.extend(Ask::read(&f).expect("known messages"));
                }
            }
            assert_eq!(heard, said);
        }
    }

    #[test]
    fn a_frame_larger_than_an_item_is_refused_before_it_is_held() {
        let mut reader = FrameReader::default();
        reader.push(&[0x5a, 0x7f, 0xff, 0xff, 0xff]);
        assert!(reader.next().is_err());
    }
}
