//! What the two ends of an exchange say to each other: frames, and the messages in them.
//! `POST /v1/sync`: *hello, segment…, end* is answered by *receipts, items, verdicts, notices, end*.

mod answer;
mod frame;
mod hello;

pub use answer::{Access, Answer, End, FeedItem, FeedVerdict, Notice, Receipt, Receipted, Ruling, Verdict, feed_next, feed_start};
pub use frame::{FrameReader, frame};
pub use hello::{Cursor, Hello, Root, VERSION, read_cursors, root, write_cursors};

use crate::WireError;

/// What a device sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Who and where it stands; always first.
    Hello(Hello),
    /// A segment's bytes, to be read by `Segment::read`.
    Segment(Vec<u8>),
    /// All has been said.
    End,
}

const HELLO: u8 = 1;
const SEGMENT: u8 = 2;
const END: u8 = 3;

impl Ask {
    /// The message as one frame.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Hello(h) => frame(HELLO, &h.write()),
            Self::Segment(bytes) => frame(SEGMENT, bytes),
            Self::End => frame(END, &[]),
        }
    }

    /// Reads what stood in a frame. `None`: a message that this version does not know, to be passed over.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let (kind, body) = bytes.split_first().ok_or(WireError::Malformed("an empty frame"))?;
        Ok(match *kind {
            HELLO => Some(Self::Hello(Hello::read(body)?)),
            SEGMENT => Some(Self::Segment(body.to_vec())),
            END => Some(Self::End),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use daftar_core::compartment::Compartment;
    use daftar_core::ids::{Digest, Epoch, OfficerId};

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
        });
        let said = [hello, Ask::Segment(vec![5; 3000]), Ask::End];
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
