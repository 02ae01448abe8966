//! What two devices say to each other, both ways alike, with no server between them; a gift in a courier pack holds the same. Never who may
//! be told.

use super::frame::frame;
use super::heads::Heads;
use super::hello::Hello;
use super::receipt::Receipt;
use super::{END, FILE, HEADS, HELLO, SEGMENT, answer};
use crate::WireError;

const LISTED: u8 = 21;
const HERE: u8 = 22;
const GIVEN: u8 = 25;

/// What a device says to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerMessage {
    /// Who is unlocked there; always first. It names no cursor: between devices heads are compared.
    Hello(Hello),
    /// What it holds of a compartment that the other may read.
    Heads(Heads),
    /// Of every compartment that the other may read its heads were said.
    Listed,
    /// A segment's bytes, whoever wrote it, to be read by `Segment::read`.
    Segment(Vec<u8>),
    /// Headquarters' signed word that it holds streams up to a point.
    Receipt(Receipt),
    /// All of its records were said: who takes files may ask for them.
    Given,
    /// A word about files: what is asked is read by `FileAsk::read`, what is told by `FileAnswer::read`.
    File(Vec<u8>),
    /// Nothing: who says it is still there.
    Here,
    /// All has been said.
    End,
}

impl PeerMessage {
    /// The message as one frame.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Hello(h) => frame(HELLO, &h.write()),
            Self::Heads(h) => frame(HEADS, &h.write()),
            Self::Listed => frame(LISTED, &[]),
            Self::Segment(bytes) => frame(SEGMENT, bytes),
            Self::Receipt(r) => frame(answer::RECEIPT, &r.write()),
            Self::Given => frame(GIVEN, &[]),
            Self::File(word) => frame(FILE, word),
            Self::Here => frame(HERE, &[]),
            Self::End => frame(END, &[]),
        }
    }

    /// Reads what stood in a frame. `None`: a message that this version does not know, to be passed over.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let (kind, body) = bytes.split_first().ok_or(WireError::Malformed("an empty frame"))?;
        Ok(match *kind {
            HELLO => Some(Self::Hello(Hello::read(body)?)),
            HEADS => Some(Self::Heads(Heads::read(body)?)),
            LISTED => Some(Self::Listed),
            SEGMENT => Some(Self::Segment(body.to_vec())),
            answer::RECEIPT => Some(Self::Receipt(Receipt::read(body)?)),
            GIVEN => Some(Self::Given),
            FILE => Some(Self::File(body.to_vec())),
            HERE => Some(Self::Here),
            END => Some(Self::End),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use daftar_core::compartment::Compartment;
    use daftar_core::ids::{DeviceId, Epoch, Head, Incarnation, OfficerId};

    use super::*;
    use crate::message::{FrameReader, Receipted};
    use crate::sign::SigningKey;
    use crate::stream::StreamId;

    #[test]
    fn what_devices_say_to_each_other_comes_back_and_what_is_not_known_is_passed_over() {
        let hello = Hello {
            root: [0; 16],
            officers: vec![OfficerId([1; 16])],
            cursors: Vec::new(),
            budget: None,
            lineage: None,
            begun: Vec::new(),
        };
        let stream = StreamId { compartment: Compartment::reference(), device: DeviceId([2; 16]), incarnation: Incarnation([3; 16]) };
        let entry = Receipted { stream, up_to: 7, head: Head([4; 32]), backed_up: 5 };
        let receipt = Receipt::sign(&SigningKey::from_bytes(&[1; 32]), Epoch([5; 16]), 9, vec![entry]);
        let said = [
            PeerMessage::Hello(hello),
            PeerMessage::Heads(Heads { compartment: Compartment::reference(), branches: Vec::new() }),
            PeerMessage::Listed,
            PeerMessage::Here,
            PeerMessage::Segment(vec![5; 3000]),
            PeerMessage::Receipt(receipt),
            PeerMessage::Given,
            PeerMessage::File(vec![6; 9]),
            PeerMessage::End,
        ];
        let mut reader = FrameReader::default();
        reader.push(&said.iter().flat_map(PeerMessage::write).collect::<Vec<u8>>());
        let mut heard = Vec::new();
        while let Some(f) = reader.next().expect("whole frames") {
            heard.extend(PeerMessage::read(&f).expect("known messages"));
        }
        assert_eq!(heard, said);
        assert_eq!(PeerMessage::read(&[99, 1, 2]), Ok(None));
        assert!(PeerMessage::read(&[]).is_err());
    }
}
