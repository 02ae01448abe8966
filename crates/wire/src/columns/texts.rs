//! Columns of texts: one for all, a dictionary, patterns (plates, numbers, telephones), or plain.

use std::collections::HashMap;
use std::fmt::Write as _;

use foldhash::fast::RandomState;

use super::ints::{Planned, get_ints, put_ints};
use super::{Source, Streams, take};
use crate::WireError;

const CONST: u8 = 0;
const DICT: u8 = 1;
const PATTERN: u8 = 2;
const PLAIN: u8 = 3;

/// Digits that stand together and are read as one number; more, and the column is written otherwise.
const GROUP_DIGITS_MAX: usize = 18;
/// Bits for a byte of text after compression, about: running text, and the short entries of a dictionary.
const PLAIN_BITS: f64 = 3.4;
const ENTRY_BITS: f64 = 5.0;
const LETTER_BITS: f64 = 4.7;

/// Writes the column; the reader knows how many texts there are.
pub(super) fn put_texts(s: &mut Streams, texts: &[&str]) {
    let Some(first) = texts.first() else { return };
    if texts.iter().all(|t| t == first) {
        s.control.push(CONST);
        put_plain(s, &[first]);
        return;
    }
    let (distinct, index) = distinct(texts);
    let plain = bytes(texts) * PLAIN_BITS + 4.0 * texts.len() as f64;
    let places = Planned::new(&index);
    let dict = bytes(&distinct) * ENTRY_BITS + 8.0 * distinct.len() as f64 + places.cost();
    let columns = Shapes::new(&distinct, texts.len());
    let columns = columns.as_ref().map(|shapes| (shapes, shapes.columns(&index)));
    let patterned = columns.as_ref().map(|(shapes, columns)| Patterned::new(shapes, columns, texts));
    if let Some(p) = patterned.filter(|p| p.cost() < plain.min(dict)) {
        s.control.push(PATTERN);
        p.write(s);
    } else if dict < plain {
        s.control.push(DICT);
        s.uint(distinct.len() as u64);
        put_plain(s, &distinct);
        places.write(s);
    } else {
        s.control.push(PLAIN);
        put_plain(s, texts);
    }
}

/// Reads `n` texts.
pub(super) fn get_texts<'b>(s: &mut Source<'b>, n: usize) -> Result<Vec<&'b str>, WireError> {
    if n == 0 {
        return Ok(Vec::new());
    }
    match s.byte()? {
        CONST => {
            let one = get_plain(s, 1)?.pop().unwrap_or_default();
            s.pay(one.len().saturating_mul(n))?;
            Ok(vec![one; n])
        }
        DICT => get_dict(s, n),
        PATTERN => get_patterned(s, n),
        PLAIN => {
            let texts = get_plain(s, n)?;
            s.pay(texts.iter().map(|t| t.len()).sum())?;
            Ok(texts)
        }
        _ => Err(WireError::Malformed("a column of texts in an unknown form")),
    }
}

fn bytes(texts: &[&str]) -> f64 {
    texts.iter().map(|t| t.len()).sum::<usize>() as f64
}

/// The distinct texts in the order of their first appearance, and each text's index.
fn distinct<'a>(texts: &[&'a str]) -> (Vec<&'a str>, Vec<i64>) {
    let mut seen: HashMap<&str, i64, RandomState> = HashMap::default();
    let mut list = Vec::new();
    let index = texts
        .iter()
        .map(|t| {
            *seen.entry(t).or_insert_with(|| {
                list.push(*t);
                list.len() as i64 - 1
            })
        })
        .collect();
    (list, index)
}

fn put_plain(s: &mut Streams, texts: &[&str]) {
    let lengths: Vec<i64> = texts.iter().map(|t| t.len() as i64).collect();
    put_ints(s, &lengths, None);
    for t in texts {
        s.text.extend_from_slice(t.as_bytes());
    }
}

fn get_plain<'b>(s: &mut Source<'b>, n: usize) -> Result<Vec<&'b str>, WireError> {
    let lengths = get_ints(s, n, None)?;
    lengths
        .into_iter()
        .map(|len| {
            let len = usize::try_from(len).map_err(|_| WireError::Malformed("a text of negative length"))?;
            let bytes = take(&mut s.text, len)?;
            std::str::from_utf8(bytes).map_err(|_| WireError::Malformed("a text that is not UTF-8"))
        })
        .collect()
}

fn get_dict<'b>(s: &mut Source<'b>, n: usize) -> Result<Vec<&'b str>, WireError> {
    let distinct = s.count(n)?;
    let table = get_plain(s, distinct)?;
    let index = get_ints(s, n, None)?;
    index
        .into_iter()
        .map(|i| {
            let text = usize::try_from(i)
                .ok()
                .and_then(|i| table.get(i).copied())
                .ok_or(WireError::Malformed("an index beyond its dictionary"))?;
            s.pay(text.len())?;
            Ok(text)
        })
        .collect()
}

/// Texts as patterns: `01 A 123 BC` is the pattern `00 A 000 AA`, the numbers 1 and 123 and the letters ABC.
struct Shapes {
    patterns: Vec<String>,
    /// Of each distinct text its pattern and the numbers in it.
    of: Vec<(usize, Vec<i64>)>,
}

impl Shapes {
    /// `None`: of `uses` texts too many have a pattern of their own, or one has a longer number than is read.
    fn new(distinct: &[&str], uses: usize) -> Option<Self> {
        let mut seen: HashMap<Vec<u8>, usize, RandomState> = HashMap::default();
        let (mut patterns, mut of) = (Vec::new(), Vec::with_capacity(distinct.len()));
        let mut shape = Vec::new();
        for text in distinct {
            shape.clear();
            shape.extend(text.bytes().map(shape_of));
            let at = match seen.get(&shape) {
                Some(at) => *at,
                None => {
                    let pattern = String::from_utf8(shape.clone()).ok()?;
                    if patterns.len() >= 4 + uses / 4 || group_widths(&pattern).iter().any(|w| *w > GROUP_DIGITS_MAX) {
                        return None;
                    }
                    patterns.push(pattern);
                    seen.insert(shape.clone(), patterns.len() - 1);
                    patterns.len() - 1
                }
            };
            let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|g| !g.is_empty());
            of.push((at, numbers.map(|n| n.parse().unwrap_or(0)).collect()));
        }
        Some(Self { patterns, of })
    }

    /// The pattern of each text, by the index of the distinct ones; then, for each pattern and each group of digits in it, the numbers of
    /// the texts that have it.
    fn columns(&self, index: &[i64]) -> (Vec<i64>, Vec<Vec<i64>>) {
        let widths: Vec<usize> = self.patterns.iter().map(|p| group_widths(p).len()).collect();
        let begins: Vec<usize> = widths.iter().scan(0, |at, n| Some(std::mem::replace(at, *at + n))).collect();
        let mut groups = vec![Vec::new(); widths.iter().sum()];
        let mut places = Vec::with_capacity(index.len());
        for i in index {
            let (pattern, numbers) = &self.of[*i as usize];
            places.push(*pattern as i64);
            groups[begins[*pattern]..].iter_mut().zip(numbers).for_each(|(group, n)| group.push(*n));
        }
        (places, groups)
    }
}

/// A column of texts that is written by its patterns.
struct Patterned<'a> {
    patterns: &'a [String],
    places: Planned<'a>,
    groups: Vec<Planned<'a>>,
    texts: &'a [&'a str],
}

impl<'a> Patterned<'a> {
    fn new(shapes: &'a Shapes, (places, groups): &'a (Vec<i64>, Vec<Vec<i64>>), texts: &'a [&'a str]) -> Self {
        let groups = groups.iter().map(|g| Planned::new(g)).collect();
        Self { patterns: &shapes.patterns, places: Planned::new(places), groups, texts }
    }

    fn letters(&self) -> impl Iterator<Item = u8> + '_ {
        self.texts.iter().flat_map(|t| t.bytes()).filter(u8::is_ascii_uppercase)
    }

    fn cost(&self) -> f64 {
        let patterns: f64 = self.patterns.iter().map(|p| p.len() as f64 * 3.0 + 8.0).sum();
        let groups: f64 = self.groups.iter().map(Planned::cost).sum();
        patterns + self.places.cost() + groups + self.letters().count() as f64 * LETTER_BITS
    }

    fn write(&self, s: &mut Streams) {
        s.uint(self.patterns.len() as u64);
        put_plain(s, &self.patterns.iter().map(String::as_str).collect::<Vec<_>>());
        self.places.write(s);
        self.groups.iter().for_each(|group| group.write(s));
        s.letters.extend(self.letters());
    }
}

/// What stands for a byte of a text in its pattern.
fn shape_of(b: u8) -> u8 {
    match b {
        b'0'..=b'9' => b'0',
        b'A'..=b'Z' => b'A',
        _ => b,
    }
}

fn group_widths(pattern: &str) -> Vec<usize> {
    pattern.split(|c: char| c != '0').map(str::len).filter(|n| *n > 0).collect()
}

fn get_patterned<'b>(s: &mut Source<'b>, n: usize) -> Result<Vec<&'b str>, WireError> {
    let distinct = s.count(n)?;
    let patterns = get_plain(s, distinct)?;
    let index = get_ints(s, n, None)?
        .into_iter()
        .map(|i| usize::try_from(i).ok().filter(|i| *i < distinct).ok_or(WireError::Malformed("an index beyond its dictionary")))
        .collect::<Result<Vec<_>, _>>()?;
    let mut groups = Vec::with_capacity(distinct);
    for (p, pattern) in patterns.iter().enumerate() {
        let uses = index.iter().filter(|i| **i == p).count();
        let widths = group_widths(pattern);
        s.open(widths.len())?;
        let columns = widths.iter().map(|_| get_ints(s, uses, None).map(Vec::into_iter)).collect::<Result<Vec<_>, _>>()?;
        groups.push((widths, columns));
    }
    index.into_iter().map(|i| fill(s, patterns[i], &mut groups[i])).collect()
}

fn fill<'b>(s: &mut Source<'b>, pattern: &str, groups: &mut (Vec<usize>, Vec<std::vec::IntoIter<i64>>)) -> Result<&'b str, WireError> {
    s.pay(pattern.len())?;
    let mut out = bumpalo::collections::String::with_capacity_in(pattern.len(), s.made);
    let mut columns = groups.0.iter().zip(&mut groups.1);
    let mut in_group = false;
    for c in pattern.chars() {
        if c == '0' && !in_group {
            let (width, column) = columns.next().ok_or(super::SHORT)?;
            let number = column.next().filter(|n| *n >= 0).ok_or(WireError::Malformed("a negative number in a pattern"))?;
            let from = out.len();
            write!(out, "{number:0width$}").map_err(|_| super::SHORT)?;
            if out.len() - from != *width {
                return Err(WireError::Malformed("a number too long for its pattern"));
            }
        } else if c == 'A' {
            let letter = take(&mut s.letters, 1)?[0];
            if !letter.is_ascii_uppercase() {
                return Err(WireError::Malformed("a letter that is none"));
            }
            out.push(char::from(letter));
        } else if c != '0' {
            out.push(c);
        }
        in_group = c == '0';
    }
    Ok(out.into_bump_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bumpalo::Bump;
    use proptest::prelude::*;

    fn round(texts: &[&str]) -> Vec<String> {
        let (mut s, made) = (Streams::default(), Bump::new());
        put_texts(&mut s, texts);
        let mut source = Source::new([&s.control, &s.text, &s.letters, &s.random], &made, 1 << 20);
        get_texts(&mut source, texts.len()).expect("what was written is read").into_iter().map(str::to_owned).collect()
    }

    proptest! {
        #[test]
        fn texts_come_back(texts in prop::collection::vec("[0-9]{0,3}[A-Z ]{0,3}[0-9]{0,20}|о‘[0A-Z]*|IMT-[1-4]-2026-[0-9]{6}|.{0,40}", 0..120)) {
            let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
            prop_assert_eq!(round(&refs), texts);
        }

        #[test]
        fn hostile_columns_of_texts_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), n in 0..300usize) {
            let made = Bump::new();
            let mut source = Source::new([&bytes, &bytes, &bytes, &bytes], &made, 1 << 16);
            let _ = get_texts(&mut source, n);
        }
    }

    #[test]
    fn plates_are_written_as_patterns_and_come_back() {
        let plates: Vec<String> = (0..60).map(|i| format!("{:02} A {:03} BC", i % 10, i * 7)).collect();
        let refs: Vec<&str> = plates.iter().map(String::as_str).collect();
        assert_eq!(round(&refs), plates);
    }
}
