//! What the server says, message by message, and its end. Never how a device takes it.

use daftar_core::compartment::Compartment;
use minicbor::decode::Decoder;

use super::access::Reopened;
use super::feed::{FeedItem, FeedVerdict};
use super::frame::frame;
use super::hello::{Cursor, get_cursors};
use super::notice::Notice;
use super::receipt::{Receipt, ShortReceipt};
use super::{FILE, get_compartment, or_passed_over};
use crate::WireError;
use crate::cbor::{definite, encode, raw_item};

pub(super) const RECEIPT: u8 = 4;
const ITEM: u8 = 5;
const VERDICT: u8 = 6;
const NOTICE: u8 = 7;
const END: u8 = 8;
const LOOSE: u8 = 9;
const REOPENED: u8 = 10;
const SHORT: u8 = 11;
const LOOSE_VERDICT: u8 = 26;
const REST: u8 = 27;

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The server's signed word that it holds streams up to a point. Nothing else clears a device's queue.
    Receipt(Receipt),
    /// An entry of a feed that is a segment.
    Item(FeedItem),
    /// An entry of a feed that is a verdict.
    Verdict(FeedVerdict),
    /// Something that the device should know.
    Notice(Notice),
    /// A receipt for the asking device's own streams.
    Short(ShortReceipt),
    /// A segment's bytes outside any feed's order: what comparing heads has shown to be lacking.
    Loose(Vec<u8>),
    /// A verdict that is said ahead of its place in the feed, where it comes again: it covers no number.
    LooseVerdict(FeedVerdict),
    /// A compartment's key, handed back.
    Reopened(Reopened),
    /// The rest of a message of which the hello said that its beginning is there: the place of that in the hello's list, and the bytes.
    Rest(u8, Vec<u8>),
    /// In a courier pack: a word about files, to be read by `FileAnswer::read`.
    File(Vec<u8>),
    /// All has been said.
    End(End),
}

impl Answer {
    /// The message as one frame.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Receipt(r) => frame(RECEIPT, &r.write()),
            Self::Item(i) => frame(ITEM, &i.write()),
            Self::Verdict(v) => frame(VERDICT, &v.write()),
            Self::Notice(n) => frame(NOTICE, &n.write()),
            Self::Short(r) => frame(SHORT, &r.write()),
            Self::Loose(bytes) => frame(LOOSE, bytes),
            Self::LooseVerdict(v) => frame(LOOSE_VERDICT, &v.write()),
            Self::Reopened(r) => frame(REOPENED, &r.write()),
            Self::Rest(which, bytes) => frame(REST, &[&[*which], bytes.as_slice()].concat()),
            Self::File(word) => frame(FILE, word),
            Self::End(e) => frame(END, &e.write()),
        }
    }

    /// Reads what stood in a frame. `None`: a message that this version does not know, to be passed over.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let (kind, body) = bytes.split_first().ok_or(WireError::Malformed("an empty frame"))?;
        or_passed_over(Self::read_known(*kind, body))
    }

    fn read_known(kind: u8, body: &[u8]) -> Result<Option<Self>, WireError> {
        Ok(match kind {
            RECEIPT => Some(Self::Receipt(Receipt::read(body)?)),
            ITEM => Some(Self::Item(FeedItem::read(body)?)),
            VERDICT => Some(Self::Verdict(FeedVerdict::read(body)?)),
            NOTICE => Notice::read(body)?.map(Self::Notice),
            SHORT => Some(Self::Short(ShortReceipt::read(body)?)),
            LOOSE => Some(Self::Loose(body.to_vec())),
            LOOSE_VERDICT => Some(Self::LooseVerdict(FeedVerdict::read(body)?)),
            REOPENED => Some(Self::Reopened(Reopened::read(body)?)),
            REST => {
                let (which, rest) = body.split_first().ok_or(WireError::Malformed("the rest of no message"))?;
                Some(Self::Rest(*which, rest.to_vec()))
            }
            FILE => Some(Self::File(body.to_vec())),
            END => Some(Self::End(End::read(body)?)),
            _ => None,
        })
    }
}

/// The compartment of which a message speaks that was cut behind these bytes, where going on with it is worth it: an entry of a feed, or a segment.
pub fn begun_in(bytes: &[u8]) -> Option<Compartment> {
    let (kind, body) = bytes.split_first()?;
    let mut d = Decoder::new(body);
    let is_about_one = [ITEM, VERDICT, LOOSE, LOOSE_VERDICT].contains(kind) && d.map().ok()?.is_some() && d.u32().ok()? == 1;
    if is_about_one { get_compartment(&mut d).ok() } else { None }
}

/// The place in a hello's list and the bytes of a rest that was cut itself.
pub fn begun_rest(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match bytes {
        [REST, which, rest @ ..] => Some((*which, rest)),
        _ => None,
    }
}

/// The server's last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The server's time, in milliseconds of UTC.
    pub time_ms: u64,
    /// Where the device stands after applying all this, in the compartments where that changed.
    pub cursors: Vec<Cursor>,
    /// There is more: ask again.
    pub more: bool,
}

impl End {
    fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(1 + u64::from(!self.cursors.is_empty()) + u64::from(self.more))?.u8(1)?.u64(self.time_ms)?;
            if !self.cursors.is_empty() {
                e.u8(2)?.array(self.cursors.len() as u64)?;
                self.cursors.iter().try_for_each(|c| c.put(e))?;
            }
            if self.more {
                e.u8(3)?.bool(true)?;
            }
            e.ok()
        })
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let (mut time_ms, mut cursors, mut more) = (None, Vec::new(), false);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => time_ms = Some(d.u64()?),
                2 => cursors = get_cursors(&mut d)?,
                3 => more = d.bool()?,
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        Ok(Self { time_ms: time_ms.ok_or(WireError::Malformed("an end without a time"))?, cursors, more })
    }
}
