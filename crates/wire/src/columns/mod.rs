//! The columnar form of a run: like things stand beside like, so that compression finds them.
//! Lossless by construction of the same values, and checked byte for byte by whoever writes a segment.

mod ints;
mod payload;
mod texts;
mod values;

use bumpalo::Bump;
use daftar_core::change::{Header, Op};
use daftar_core::ids::{ChangeName, DeviceId, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::time::{ClockQuality, ClockReading, Stamp};

use self::ints::{get_ints, put_ints};
use self::values::{get_ids, put_ids};
use crate::WireError;
use crate::cbor::{Enc, Put, encode_to};
use crate::change::{put_header, put_payload};
use crate::limits::{SEGMENT_COLUMNS_MAX, SEGMENT_ELEMENTS_MAX};
use crate::view::PayloadView;

/// The four streams that a columnar body is made of, each compressed by itself.
#[derive(Default)]
pub(crate) struct Streams {
    /// Numbers: counts, modes, indexes, planes of integers.
    pub(crate) control: Vec<u8>,
    /// UTF-8 text.
    pub(crate) text: Vec<u8>,
    /// Single letters of patterned texts, such as a plate's.
    pub(crate) letters: Vec<u8>,
    /// What does not compress: random halves of ids, low bytes of measurements.
    pub(crate) random: Vec<u8>,
}

impl Streams {
    pub(crate) fn uint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.control.push((n as u8) | 0x80);
            n >>= 7;
        }
        self.control.push(n as u8);
    }

    pub(crate) fn sint(&mut self, n: i64) {
        self.uint(((n << 1) ^ (n >> 63)) as u64);
    }
}

/// Reads the four streams back, within a budget of bytes that the values may come to.
pub(crate) struct Source<'a> {
    pub(crate) control: &'a [u8],
    pub(crate) text: &'a [u8],
    pub(crate) letters: &'a [u8],
    pub(crate) random: &'a [u8],
    /// What stands in no stream as it is read: patterned texts, ids.
    made: &'a Bump,
    budget: u64,
    elements: usize,
    columns: usize,
}

const SHORT: WireError = WireError::Malformed("columns that end early");

pub(crate) fn take<'a>(from: &mut &'a [u8], n: usize) -> Result<&'a [u8], WireError> {
    let (head, rest) = from.split_at_checked(n).ok_or(SHORT)?;
    *from = rest;
    Ok(head)
}

/// A number in groups of seven bits, the lowest first.
pub(crate) fn take_uint(from: &mut &[u8]) -> Result<u64, WireError> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let b = take(from, 1)?[0];
        n |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            return Ok(n);
        }
    }
    Err(WireError::Malformed("a number of more than 64 bits"))
}

impl<'a> Source<'a> {
    pub(crate) fn new(streams: [&'a [u8]; 4], made: &'a Bump, budget: u64) -> Self {
        let [control, text, letters, random] = streams;
        Self { control, text, letters, random, made, budget, elements: 0, columns: 0 }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, WireError> {
        take(&mut self.control, 1).map(|b| b[0])
    }

    pub(crate) fn uint(&mut self) -> Result<u64, WireError> {
        take_uint(&mut self.control)
    }

    pub(crate) fn sint(&mut self) -> Result<i64, WireError> {
        let n = self.uint()?;
        Ok(((n >> 1) as i64) ^ -((n & 1) as i64))
    }

    /// A number of things that is at most `max`.
    pub(crate) fn count(&mut self, max: usize) -> Result<usize, WireError> {
        let n = self.uint()?;
        usize::try_from(n).ok().filter(|n| *n <= max).ok_or(WireError::TooLarge { what: "the things in a column", got: n, max: max as u64 })
    }

    /// Pays for a value of so many bytes; the declared size of the run is all there is.
    pub(crate) fn pay(&mut self, bytes: usize) -> Result<(), WireError> {
        self.budget = self.budget.checked_sub(bytes as u64).ok_or(WireError::Malformed("columns larger than declared"))?;
        Ok(())
    }

    /// Counts elements that are about to be held.
    pub(crate) fn hold(&mut self, n: usize) -> Result<(), WireError> {
        self.elements = self.elements.saturating_add(n);
        crate::bounded("the elements of a segment", self.elements as u64, SEGMENT_ELEMENTS_MAX as u64)
    }

    /// Counts columns that are about to be read.
    pub(crate) fn open(&mut self, n: usize) -> Result<(), WireError> {
        self.columns = self.columns.saturating_add(n);
        crate::bounded("the columns of a segment", self.columns as u64, SEGMENT_COLUMNS_MAX as u64)
    }

    fn finished(&self) -> Result<(), WireError> {
        if self.control.is_empty() && self.text.is_empty() && self.letters.is_empty() && self.random.is_empty() {
            Ok(())
        } else {
            Err(WireError::Malformed("bytes behind the columns"))
        }
    }
}

/// One change as the columns hold it.
pub(crate) struct Row<'b> {
    /// Needed only where a later row of the run may name it as a parent.
    pub(crate) name: Option<ChangeName>,
    pub(crate) header: Header,
    /// `None` for an erased one.
    pub(crate) payload: Option<PayloadView<'b>>,
}

/// A record's own second, in milliseconds: the times in a record lie near it.
fn base(record: &RecordId) -> i64 {
    record_ms(record) / 1000 * 1000
}

fn record_ms(record: &RecordId) -> i64 {
    let mut b = [0; 8];
    b[2..].copy_from_slice(&record.0[..6]);
    i64::from_be_bytes(b)
}

/// Writes the rows as columns, or says that they do not fit the form (and are sent plain).
pub(crate) fn write(device: &DeviceId, rows: &[Row<'_>]) -> Option<Streams> {
    if rows.iter().any(|r| r.header.device != *device) {
        return None;
    }
    let mut s = Streams::default();
    let column = |f: &dyn Fn(&Row<'_>) -> i64| rows.iter().map(f).collect::<Vec<i64>>();
    let ids: Vec<[u8; 16]> = rows.iter().map(|r| r.header.record.0).collect();
    let base_ms: Vec<i64> = rows.iter().map(|r| record_ms(&r.header.record)).collect();
    put_ints(&mut s, &column(&|r| r.header.kind.number().into()), None);
    put_ints(&mut s, &column(&|r| r.header.op.number().into()), None);
    put_ids(&mut s, &ids);
    put_authors(&mut s, rows);
    put_ints(&mut s, &column(&|r| r.header.stamp.ms as i64), Some(&base_ms));
    put_ints(&mut s, &column(&|r| r.header.stamp.count.into()), None);
    put_ints(&mut s, &column(&|r| r.header.clock.offset_ms), None);
    put_ints(&mut s, &column(&|r| r.header.clock.quality.number().into()), None);
    put_parents(&mut s, rows);
    payload::write(&mut s, rows, &ids)?;
    Some(s)
}

/// Header and payload of a change as bytes; no payload where it is erased.
pub(crate) type RowBytes = (Vec<u8>, Option<Vec<u8>>);

/// Computes a change's name from its place in the run and its bytes.
pub(crate) type NameOf<'a> = &'a dyn Fn(usize, &[u8], Option<&[u8]>) -> ChangeName;

/// Reads `n` rows back as the bytes of their headers and payloads. `erased` says which have no payload;
/// `name` computes a change's name from its place and bytes, for parents within the run.
pub(crate) fn read(
    device: &DeviceId,
    n: usize,
    mut s: Source<'_>,
    erased: &dyn Fn(usize) -> bool,
    name: NameOf<'_>,
) -> Result<Vec<RowBytes>, WireError> {
    let s = &mut s;
    let kinds = get_ints(s, n, None)?;
    let ops = get_ints(s, n, None)?;
    let ids = get_ids(s, n)?;
    let base_ms: Vec<i64> = ids.iter().map(|i| record_ms(&RecordId(*i))).collect();
    let authors = get_authors(s, n)?;
    let stamps = get_ints(s, n, Some(&base_ms))?;
    let counts = get_ints(s, n, None)?;
    let offsets = get_ints(s, n, None)?;
    let qualities = get_ints(s, n, None)?;
    let parents = get_parents(s, n)?;
    let named_within = parents.iter().flatten().any(|p| matches!(p, Parent::Back(_)));
    let small = |v: i64| u32::try_from(v).map_err(|_| WireError::Malformed("a number out of range in a column"));
    let kinds = kinds.into_iter().map(|k| small(k).map(Kind::from_number)).collect::<Result<Vec<_>, _>>()?;
    let payloads = payload::read(s, &kinds, &ids, erased)?;
    s.finished()?;

    let mut out: Vec<RowBytes> = Vec::with_capacity(n);
    let mut names: Vec<ChangeName> = Vec::with_capacity(n);
    let mut room = Vec::new();
    for (i, (payload, parents)) in payloads.into_iter().zip(parents).enumerate() {
        let parents = parents
            .into_iter()
            .map(|p| match p {
                Parent::Named(name) => Ok(name),
                Parent::Back(d) => {
                    i.checked_sub(d).and_then(|at| names.get(at)).copied().ok_or(WireError::Malformed("a parent before the run"))
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let header = Header {
            device: *device,
            record: RecordId(ids[i]),
            kind: kinds[i],
            author: authors[i],
            op: Op::from_number(small(ops[i])?).ok_or(WireError::Malformed("an act of an unknown kind"))?,
            stamp: Stamp { ms: stamps[i] as u64, count: small(counts[i])? },
            clock: ClockReading {
                offset_ms: offsets[i],
                quality: ClockQuality::from_number(small(qualities[i])?).ok_or(WireError::Malformed("a clock of an unknown quality"))?,
            },
            parents,
        };
        // Written where there is room, and kept where there is just enough.
        let mut kept = |f: &dyn Fn(&mut Enc<'_>) -> Put| {
            room.clear();
            encode_to(&mut room, f);
            room.as_slice().to_vec()
        };
        let header = kept(&|e| put_header(e, &header));
        let payload = payload.map(|p| kept(&|e| put_payload(e, &p)));
        if named_within {
            names.push(name(i, &header, payload.as_deref()));
        }
        out.push((header, payload));
    }
    Ok(out)
}

fn put_authors(s: &mut Streams, rows: &[Row<'_>]) {
    let mut authors: Vec<OfficerId> = Vec::new();
    let index: Vec<i64> = rows
        .iter()
        .map(|r| {
            let at = authors.iter().position(|a| *a == r.header.author).unwrap_or_else(|| {
                authors.push(r.header.author);
                authors.len() - 1
            });
            at as i64
        })
        .collect();
    s.uint(authors.len() as u64);
    for a in &authors {
        s.random.extend_from_slice(&a.0);
    }
    put_ints(s, &index, None);
}

fn get_authors(s: &mut Source<'_>, n: usize) -> Result<Vec<OfficerId>, WireError> {
    let distinct = s.count(n)?;
    let mut authors = Vec::with_capacity(distinct);
    for _ in 0..distinct {
        let b = take(&mut s.random, 16)?;
        authors.push(OfficerId(b.try_into().expect("take gives as many bytes as it was asked for")));
    }
    let pick = |i: i64| usize::try_from(i).ok().and_then(|i| authors.get(i)).copied();
    get_ints(s, n, None)?.into_iter().map(|i| pick(i).ok_or(WireError::Malformed("an author beyond the list"))).collect()
}

enum Parent {
    /// So many changes back in this run.
    Back(usize),
    /// Anywhere else.
    Named(ChangeName),
}

fn put_parents(s: &mut Streams, rows: &[Row<'_>]) {
    let counts: Vec<i64> = rows.iter().map(|r| r.header.parents.len() as i64).collect();
    put_ints(s, &counts, None);
    let places: std::collections::HashMap<ChangeName, usize> =
        rows.iter().enumerate().filter_map(|(i, r)| r.name.map(|n| (n, i))).collect();
    let mut back = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        for p in &row.header.parents {
            match places.get(p) {
                Some(at) if *at < i => back.push((i - at) as i64),
                Some(_) | None => {
                    back.push(0);
                    s.random.extend_from_slice(&p.0);
                }
            }
        }
    }
    put_ints(s, &back, None);
}

fn get_parents(s: &mut Source<'_>, n: usize) -> Result<Vec<Vec<Parent>>, WireError> {
    let max = daftar_core::change::PARENTS_MAX as i64;
    let counts = get_ints(s, n, None)?;
    if counts.iter().any(|c| !(0..=max).contains(c)) {
        return Err(WireError::Malformed("a change with too many parents"));
    }
    let total = counts.iter().sum::<i64>() as usize;
    s.hold(total)?;
    let mut back = get_ints(s, total, None)?.into_iter();
    let mut one = |s: &mut Source<'_>| match back.next().and_then(|b| usize::try_from(b).ok()) {
        Some(0) => Ok(Parent::Named(ChangeName(take(&mut s.random, 32)?.try_into().expect("take gives 32 bytes")))),
        Some(b) => Ok(Parent::Back(b)),
        None => Err(SHORT),
    };
    counts.into_iter().map(|c| (0..c).map(|_| one(s)).collect()).collect()
}
