//! One exchange as the device hears it: a state machine from frames to steps. Touches no socket and no store.

use daftar_core::compartment::Compartment;
use daftar_core::ids::Epoch;
use daftar_wire::WireError;
use daftar_wire::limits::ITEM_BYTES_MAX;
use daftar_wire::message::{Access, Answer, End, Notice, Receipt, Reopened, Revocation, ShortReceipt, begun_in, begun_rest};
use daftar_wire::segment::Segment;
use daftar_wire::sign::VerifyingKey;
use daftar_wire::stream::StreamId;

use crate::vault::{AppliedItem, AppliedWhat};

/// Entries of a feed that are applied in one transaction, at most.
const PAGE_ITEMS: usize = 4;
/// Bytes of segments in one page, at most, about.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Less of a message that was cut is not worth a line in the hello.
const BEGUN_BYTES_MIN: usize = 256;

/// What is to be done with what was heard.
#[derive(Debug)]
pub enum Step {
    /// A receipt whose signature holds.
    Receipted(Receipt),
    /// A receipt without what this device knows itself; its signature is not looked at yet.
    Short(ShortReceipt),
    /// Entries of one compartment's feed, in order.
    Page(Compartment, Vec<AppliedItem>),
    /// A compartment is open to the officer.
    Granted(Compartment, Access),
    /// The server wants a stream from another number.
    Want(StreamId, u64),
    /// A segment was not taken.
    Refused(StreamId, String),
    /// Ask again with all cursors.
    RootUnknown,
    /// This device was cloned or put back: new streams everywhere, and this digit in record numbers.
    Anew(u32),
    /// A stream went two ways.
    Forked(StreamId),
    /// A revocation whose signature holds.
    Revoked(Revocation),
    /// The server has another life: what it may lack is to be offered.
    NewEpoch(Epoch),
    /// A segment outside any feed's order.
    Loose(Box<Segment>),
    /// A compartment's key, handed back.
    Reopened(Reopened),
    /// A word about files, to be read by `FileAnswer::read`.
    File(Vec<u8>),
    /// The server has finished.
    Ended(End),
}

enum Phase {
    /// Entries of this compartment's feed are being collected; none at first.
    Listening { page: Option<(Compartment, Vec<AppliedItem>, usize)> },
    /// The end was heard; nothing may follow.
    Ended,
}

/// What has been heard so far.
pub struct Session {
    server: VerifyingKey,
    /// What is there of messages of earlier answers that were cut, as the hello lists it.
    begun: Vec<Vec<u8>>,
    phase: Phase,
}

impl Session {
    /// Begins to listen to the server with this key, to which the hello said that these beginnings of messages are there.
    pub fn new(server: VerifyingKey, begun: Vec<Vec<u8>>) -> Self {
        Self { server, begun, phase: Phase::Listening { page: None } }
    }

    /// True once the server has finished.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// What was collected so far, to be written down although more may follow: the link pauses, or is gone. Each entry stands by itself.
    pub fn pause(&mut self) -> Option<Step> {
        match &mut self.phase {
            Phase::Listening { page } => page.take().map(|(c, items, _)| Step::Page(c, items)),
            Phase::Ended => None,
        }
    }

    /// What is there now of a message that was cut behind these bytes, and of which compartment it speaks; `None`: it is not worth going on with.
    pub fn begun(&self, cut: &[u8]) -> Option<(Compartment, Vec<u8>)> {
        let whole = match begun_rest(cut) {
            Some((which, rest)) => [self.begun.get(usize::from(which))?, rest].concat(),
            None => cut.to_vec(),
        };
        (BEGUN_BYTES_MIN..=ITEM_BYTES_MAX as usize).contains(&whole.len()).then(|| Some((begun_in(&whole)?, whole)))?
    }

    /// Takes one frame and says what is to be done, in order.
    pub fn hear(&mut self, frame: &[u8]) -> Result<Vec<Step>, WireError> {
        let Phase::Listening { page } = &mut self.phase else {
            return Err(WireError::Malformed("words after the end"));
        };
        let answer = match Answer::read(frame)? {
            Some(Answer::Rest(which, rest)) => {
                let begun = self.begun.get(usize::from(which)).ok_or(WireError::Malformed("the rest of what was not begun"))?;
                if begun.len() + rest.len() > ITEM_BYTES_MAX as usize {
                    return Err(WireError::Malformed("the rest of more than a message"));
                }
                Answer::read(&[begun.as_slice(), &rest].concat())?
            }
            heard => heard,
        };
        let Some(answer) = answer else { return Ok(Vec::new()) };
        let mut steps = Vec::new();
        match answer {
            Answer::Item(i) => {
                let bytes = i.segment.len();
                let item = AppliedItem { from: i.from, n: i.n, chain: i.chain, what: AppliedWhat::Segment(i.segment) };
                collect(page, &mut steps, i.compartment, item, bytes);
            }
            Answer::Verdict(v) => {
                // Its signature is checked where the epoch is known: with the page.
                let item = AppliedItem { from: v.from, n: v.n, chain: v.chain, what: AppliedWhat::Rulings(v.clone()) };
                collect(page, &mut steps, v.compartment, item, 0);
            }
            Answer::LooseVerdict(v) => {
                let item = AppliedItem { from: v.n.saturating_add(1), n: v.n, chain: v.chain, what: AppliedWhat::Rulings(v.clone()) };
                collect(page, &mut steps, v.compartment, item, 0);
            }
            Answer::Receipt(r) => {
                r.verify(&self.server)?;
                steps.push(Step::Receipted(r));
            }
            Answer::Notice(n) => steps.push(match n {
                Notice::RootUnknown => Step::RootUnknown,
                Notice::Granted { compartment, access } => Step::Granted(compartment, access),
                Notice::Want { stream, from } => Step::Want(stream, from),
                Notice::Refused { stream, first: _, reason } => Step::Refused(stream, reason),
                Notice::Anew { digit } => Step::Anew(digit),
                Notice::Forked { stream, at: _ } => Step::Forked(stream),
                Notice::Revoked(r) => {
                    r.verify(&self.server)?;
                    Step::Revoked(r)
                }
                Notice::NewEpoch { epoch } => Step::NewEpoch(epoch),
            }),
            Answer::Short(r) => steps.push(Step::Short(r)),
            // One that cannot be read is judged alone: what it brings is lacking still, and is asked for again.
            Answer::Loose(bytes) => match Segment::read(&bytes) {
                Ok(segment) => {
                    // It may carry on what the page before it brings.
                    steps.extend(page.take().map(|(c, items, _)| Step::Page(c, items)));
                    steps.push(Step::Loose(Box::new(segment)));
                }
                Err(e) => tracing::warn!(error = %e, "a segment outside its feed cannot be read"),
            },
            Answer::Rest(..) => return Err(WireError::Malformed("the rest of a rest")),
            Answer::Reopened(r) => steps.push(Step::Reopened(r)),
            Answer::File(word) => {
                // It is behind the records that name it.
                steps.extend(page.take().map(|(c, items, _)| Step::Page(c, items)));
                steps.push(Step::File(word));
            }
            Answer::End(end) => {
                steps.extend(page.take().map(|(c, items, _)| Step::Page(c, items)));
                steps.push(Step::Ended(end));
                self.phase = Phase::Ended;
            }
        }
        Ok(steps)
    }
}

fn collect(
    page: &mut Option<(Compartment, Vec<AppliedItem>, usize)>,
    steps: &mut Vec<Step>,
    compartment: Compartment,
    item: AppliedItem,
    bytes: usize,
) {
    let full = page.as_ref().is_some_and(|(c, items, size)| *c != compartment || items.len() >= PAGE_ITEMS || *size >= PAGE_BYTES);
    if full {
        steps.extend(page.take().map(|(c, items, _)| Step::Page(c, items)));
    }
    let (_, items, size) = page.get_or_insert_with(|| (compartment, Vec::new(), 0));
    items.push(item);
    *size += bytes;
}
