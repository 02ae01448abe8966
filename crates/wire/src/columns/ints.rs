//! Columns of integers: five ways to write one, the cheapest by an estimate of its entropy is taken.

use std::sync::LazyLock;

use super::{Source, Streams, take};
use crate::WireError;
use crate::limits::SEGMENT_CHANGES_MAX;

const CONST: u8 = 0;
const DICT: u8 = 1;
const PLANES: u8 = 2;
const DELTA: u8 = 3;
const RELATIVE: u8 = 4;

/// At most so many distinct values in a dictionary.
const DICT_MAX: usize = 256;
/// A plane whose bytes carry more than this many bits each goes where nothing is compressed.
const RANDOM_BITS: f64 = 7.0;

enum Plan {
    Const,
    /// The distinct values, and where in them each value stands, packed.
    Dict(Vec<i64>, Vec<u8>),
    Planes {
        base: i64,
        scale: u64,
        width: usize,
    },
    Delta(Box<Plan>, Vec<i64>),
    Relative(Box<Plan>, Vec<i64>),
}

/// A column and the way in which it is written.
pub(super) struct Planned<'v> {
    values: &'v [i64],
    /// Bits that it would come to, about; and the way. None of no values.
    plan: Option<(f64, Plan)>,
}

impl<'v> Planned<'v> {
    pub(super) fn new(values: &'v [i64]) -> Self {
        Self { values, plan: plan(values, None, true) }
    }

    pub(super) fn cost(&self) -> f64 {
        self.plan.as_ref().map_or(0.0, |p| p.0)
    }

    /// The reader knows how many values there are.
    pub(super) fn write(&self, s: &mut Streams) {
        if let Some((_, plan)) = &self.plan {
            write(s, self.values, plan);
        }
    }
}

/// Writes the column; the reader knows how many values there are and, where `near` is given, has it too.
pub(super) fn put_ints(s: &mut Streams, values: &[i64], near: Option<&[i64]>) {
    if let Some((_, plan)) = plan(values, near, true) {
        write(s, values, &plan);
    }
}

fn plan(values: &[i64], near: Option<&[i64]>, differences: bool) -> Option<(f64, Plan)> {
    let first = *values.first()?;
    if values.iter().all(|v| *v == first) {
        return Some((16.0, Plan::Const));
    }
    let mut best = planes(values);
    let mut consider = |cost: f64, plan: Plan| {
        if cost < best.0 {
            best = (cost, plan);
        }
    };
    let mut distinct = values.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() <= DICT_MAX && distinct.len() < values.len() {
        let index = pack(&indexes(&distinct, values), distinct.len());
        let table: f64 = distinct.windows(2).map(|w| varint_bits(w[1].wrapping_sub(w[0]))).sum();
        consider(24.0 + table + entropy_bits(index.iter().copied()), Plan::Dict(distinct, index));
    }
    if differences && values.len() > 2 {
        let steps: Vec<i64> = std::iter::once(0).chain(values.windows(2).map(|w| w[1].wrapping_sub(w[0]))).collect();
        if let Some((cost, plan)) = plan(&steps, None, false) {
            consider(cost + 8.0 + varint_bits(first), Plan::Delta(Box::new(plan), steps));
        }
    }
    if let Some(near) = near {
        let off: Vec<i64> = values.iter().zip(near).map(|(v, n)| v.wrapping_sub(*n)).collect();
        if let Some((cost, plan)) = plan(&off, None, differences) {
            consider(cost + 8.0, Plan::Relative(Box::new(plan), off));
        }
    }
    Some(best)
}

fn planes(values: &[i64]) -> (f64, Plan) {
    let base = values.iter().copied().min().unwrap_or(0);
    let off = |v: &i64| v.wrapping_sub(base) as u64;
    // One already divides whatever comes.
    let scale = values.iter().map(off).try_fold(0, |a, b| Some(gcd(b, a)).filter(|d| *d != 1)).unwrap_or(1).max(1);
    let scaled = scaled(values, base, scale);
    let top = scaled.iter().copied().max().unwrap_or(0);
    let width = (8 - top.leading_zeros() as usize / 8).max(1);
    let bits: f64 = (0..width).map(|p| entropy_bits(plane(&scaled, p))).sum();
    (32.0 + varint_bits(base) + bits, Plan::Planes { base, scale, width })
}

fn scaled(values: &[i64], base: i64, scale: u64) -> Vec<u64> {
    let off = values.iter().map(|v| v.wrapping_sub(base) as u64);
    if scale == 1 { off.collect() } else { off.map(|v| v / scale).collect() }
}

/// The `p`th byte of each value, the lowest being 0.
fn plane(scaled: &[u64], p: usize) -> impl ExactSizeIterator<Item = u8> {
    scaled.iter().map(move |v| (v >> (8 * p)) as u8)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn indexes(distinct: &[i64], values: &[i64]) -> Vec<u8> {
    values.iter().map(|v| distinct.binary_search(v).unwrap_or(0) as u8).collect()
}

/// Bits of an index into a table of so many: 1, 2, 4 or 8, so that several stand in one byte.
fn index_bits(distinct: usize) -> u32 {
    match distinct {
        0..=2 => 1,
        3..=4 => 2,
        5..=16 => 4,
        _ => 8,
    }
}

fn pack(index: &[u8], distinct: usize) -> Vec<u8> {
    let bits = index_bits(distinct);
    index.chunks(8 / bits as usize).map(|c| c.iter().enumerate().fold(0, |b, (i, v)| b | (v << (i as u32 * bits)))).collect()
}

fn varint_bits(n: i64) -> f64 {
    let zigzag = ((n << 1) ^ (n >> 63)) as u64;
    f64::from((64 - zigzag.leading_zeros()).div_ceil(7).max(1) * 8)
}

/// Bits by the bytes' frequencies alone, and a little for telling them.
fn entropy_bits(bytes: impl ExactSizeIterator<Item = u8>) -> f64 {
    let mut seen = [0usize; 256];
    let n = bytes.len();
    bytes.for_each(|b| seen[usize::from(b)] += 1);
    let (mut distinct, mut bits) = (0.0, n_log_n(n));
    for c in seen.into_iter().filter(|c| *c > 0) {
        distinct += 1.0;
        bits -= n_log_n(c);
    }
    bits + 2.0 * distinct
}

/// n times its binary logarithm: from a table where n is no more than the changes of a segment, as it mostly is.
fn n_log_n(n: usize) -> f64 {
    static TABLE: LazyLock<[f64; SEGMENT_CHANGES_MAX as usize + 1]> = LazyLock::new(|| std::array::from_fn(compute));
    fn compute(n: usize) -> f64 {
        if n == 0 { 0.0 } else { n as f64 * (n as f64).log2() }
    }
    TABLE.get(n).copied().unwrap_or_else(|| compute(n))
}

fn write(s: &mut Streams, values: &[i64], plan: &Plan) {
    match plan {
        Plan::Const => {
            s.control.push(CONST);
            s.sint(values[0]);
        }
        Plan::Dict(distinct, index) => {
            s.control.push(DICT);
            s.uint(distinct.len() as u64);
            s.sint(distinct[0]);
            for w in distinct.windows(2) {
                s.uint(w[1].wrapping_sub(w[0]) as u64);
            }
            s.control.extend_from_slice(index);
        }
        Plan::Planes { base, scale, width } => {
            s.control.push(PLANES);
            s.sint(*base);
            s.uint(*scale);
            let scaled = scaled(values, *base, *scale);
            let planes: Vec<Vec<u8>> = (0..*width).map(|p| plane(&scaled, p).collect()).collect();
            let random = |p: &Vec<u8>| entropy_bits(p.iter().copied()) > RANDOM_BITS * p.len() as f64;
            let mask = planes.iter().enumerate().fold(0u8, |m, (i, p)| m | (u8::from(random(p)) << i));
            s.control.extend([*width as u8, mask]);
            for p in planes.iter().rev() {
                if random(p) { s.random.extend(p) } else { s.control.extend(p) }
            }
        }
        Plan::Delta(steps_plan, steps) => {
            s.control.push(DELTA);
            s.sint(values[0]);
            write(s, steps, steps_plan);
        }
        Plan::Relative(off_plan, off) => {
            s.control.push(RELATIVE);
            write(s, off, off_plan);
        }
    }
}

/// Reads `n` values; `near` as it was given to the writer.
pub(super) fn get_ints(s: &mut Source<'_>, n: usize, near: Option<&[i64]>) -> Result<Vec<i64>, WireError> {
    if n == 0 { Ok(Vec::new()) } else { read(s, n, near, true) }
}

fn read(s: &mut Source<'_>, n: usize, near: Option<&[i64]>, differences: bool) -> Result<Vec<i64>, WireError> {
    match s.byte()? {
        CONST => Ok(vec![s.sint()?; n]),
        DICT => read_dict(s, n),
        PLANES => read_planes(s, n),
        DELTA if differences => {
            let mut last = s.sint()?;
            let steps = read(s, n, None, false)?;
            Ok(steps
                .into_iter()
                .map(|step| {
                    last = last.wrapping_add(step);
                    last
                })
                .collect())
        }
        RELATIVE => {
            let near = near.ok_or(WireError::Malformed("a relative column with nothing to relate to"))?;
            let off = read(s, n, None, differences)?;
            Ok(off.into_iter().zip(near).map(|(o, n)| o.wrapping_add(*n)).collect())
        }
        _ => Err(WireError::Malformed("a column of integers in an unknown form")),
    }
}

fn read_dict(s: &mut Source<'_>, n: usize) -> Result<Vec<i64>, WireError> {
    let distinct = s.count(DICT_MAX)?;
    if distinct == 0 {
        return Err(WireError::Malformed("an empty dictionary"));
    }
    let mut table = vec![s.sint()?];
    for i in 1..distinct {
        let step = s.uint()?;
        table.push(table[i - 1].wrapping_add(step as i64));
    }
    let bits = index_bits(distinct);
    let per_byte = 8 / bits as usize;
    let packed = take(&mut s.control, n.div_ceil(per_byte))?;
    let mask = (0xffu16 >> (8 - bits)) as u8;
    (0..n)
        .map(|i| {
            let at = packed[i / per_byte] >> ((i % per_byte) as u32 * bits) & mask;
            table.get(usize::from(at)).copied().ok_or(WireError::Malformed("an index beyond its dictionary"))
        })
        .collect()
}

fn read_planes(s: &mut Source<'_>, n: usize) -> Result<Vec<i64>, WireError> {
    let (base, scale) = (s.sint()?, s.uint()?);
    let (width, mask) = (s.byte()?, s.byte()?);
    if !(1..=8).contains(&width) {
        return Err(WireError::Malformed("integers of more than eight bytes"));
    }
    let mut values = vec![0u64; n];
    for p in (0..width).rev() {
        let random = mask >> p & 1 == 1;
        let bytes = take(if random { &mut s.random } else { &mut s.control }, n)?;
        values.iter_mut().zip(bytes).for_each(|(v, b)| *v = (*v << 8) | u64::from(*b));
    }
    Ok(values.into_iter().map(|v| base.wrapping_add(v.wrapping_mul(scale) as i64)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bumpalo::Bump;
    use proptest::prelude::*;

    fn round(values: &[i64], near: Option<&[i64]>) -> Vec<i64> {
        let mut s = Streams::default();
        put_ints(&mut s, values, near);
        let made = Bump::new();
        let mut source = Source::new([&s.control, &s.text, &s.letters, &s.random], &made, 0);
        get_ints(&mut source, values.len(), near).expect("what was written is read")
    }

    proptest! {
        #[test]
        fn integers_come_back(values in prop::collection::vec(prop_oneof![any::<i64>(), 0..5i64, 1_790_000_000_000..1_790_000_900_000i64], 0..300)) {
            let near: Vec<i64> = values.iter().map(|v| v.wrapping_sub(17)).collect();
            prop_assert_eq!(&round(&values, None), &values);
            prop_assert_eq!(&round(&values, Some(&near)), &values);
        }

        #[test]
        fn hostile_columns_of_integers_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), n in 0..400usize) {
            let made = Bump::new();
            let mut source = Source::new([&bytes, &[], &[], &bytes], &made, 0);
            let _ = get_ints(&mut source, n, None);
        }
    }
}
