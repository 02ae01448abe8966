//! Rows on a page, by SQLite's file format. Any bytes may come: what is no row gives none. Never knows what a row means.

use super::pages::{Damaged, Page, ROW_BYTES_MAX, USABLE_BYTES};
use crate::error::Result;

/// Kinds of pages that hold rows.
const INDEX_INTERIOR: u8 = 2;
const INDEX_LEAF: u8 = 10;
const TABLE_LEAF: u8 = 13;
/// SQLite's own header stands before the first page's.
const FILE_HEADER_BYTES: usize = 100;
/// The widest table of ours has fewer columns.
const COLUMNS_MAX: usize = 32;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// A row of a table, or an entry of an index.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// `None`: of an index, or of a table without such a number.
    pub(super) id: Option<i64>,
    pub(super) cells: Vec<Cell>,
    /// Every page that it stands on is as it was written.
    pub(super) is_intact: bool,
}

/// Gives the rows of a page. On a damaged one every place is tried, since its own list of places may be what is damaged.
pub(super) fn of_page(file: &mut Damaged, page: &Page, each: &mut dyn FnMut(Row)) -> Result<()> {
    let at = if page.number == 1 { FILE_HEADER_BYTES } else { 0 };
    if !page.is_intact {
        for place in at..USABLE_BYTES {
            for is_table in [true, false] {
                if let Some(row) = row(file, page, place, is_table)? {
                    each(row);
                }
            }
        }
        return Ok(());
    }
    let (head, skip, is_table) = match page.bytes.get(at) {
        Some(&TABLE_LEAF) => (8, 0, true),
        Some(&INDEX_LEAF) => (8, 0, false),
        Some(&INDEX_INTERIOR) => (12, 4, false),
        Some(_) | None => return Ok(()),
    };
    let count = short(&page.bytes, at + 3).unwrap_or(0);
    for i in 0..count {
        if let Some(place) = short(&page.bytes, at + head + 2 * i)
            && let Some(row) = row(file, page, place + skip, is_table)?
        {
            each(row);
        }
    }
    Ok(())
}

fn row(file: &mut Damaged, page: &Page, mut at: usize, is_table: bool) -> Result<Option<Row>> {
    let Some(len) = varint(&page.bytes, &mut at) else { return Ok(None) };
    let id = if is_table { varint(&page.bytes, &mut at) } else { None };
    if !(2..=ROW_BYTES_MAX).contains(&len) || (is_table && id.is_none()) {
        return Ok(None);
    }
    let Some((bytes, is_whole)) = payload(file, page, at, len as usize, is_table)? else { return Ok(None) };
    let cells = record(&bytes);
    Ok(cells.map(|cells| Row { id: id.map(|n| n as i64), cells, is_intact: page.is_intact && is_whole }))
}

/// A row's bytes, and those that go on on other pages.
fn payload(file: &mut Damaged, page: &Page, at: usize, len: usize, is_table: bool) -> Result<Option<(Vec<u8>, bool)>> {
    let most = if is_table { USABLE_BYTES - 35 } else { (USABLE_BYTES - 12) * 64 / 255 - 23 };
    let least = (USABLE_BYTES - 12) * 32 / 255 - 23;
    let here = match len {
        _ if len <= most => len,
        _ => Some(least + (len - least) % (USABLE_BYTES - 4)).filter(|n| *n <= most).unwrap_or(least),
    };
    let Some(first) = page.bytes.get(at..at + here) else { return Ok(None) };
    let (mut bytes, mut is_intact) = (first.to_vec(), true);
    // The shape is looked at before other pages are.
    if here < len && types(&bytes).is_none_or(|t| t.0 + t.1.iter().map(|t| size(*t)).sum::<usize>() != len) {
        return Ok(None);
    }
    let mut next = if here < len { word(&page.bytes, at + here) } else { None };
    while bytes.len() < len {
        let Some(over) = next.filter(|n| *n > 0).map(|n| file.page(n)).transpose()?.flatten() else { return Ok(None) };
        is_intact &= over.is_intact;
        let take = (len - bytes.len()).min(USABLE_BYTES - 4);
        bytes.extend(&over.bytes[4..4 + take]);
        next = word(&over.bytes, 0);
    }
    Ok(Some((bytes, is_intact)))
}

/// The length of a record's header, and the types of its values.
fn types(bytes: &[u8]) -> Option<(usize, Vec<u64>)> {
    let mut at = 0;
    let head = usize::try_from(varint(bytes, &mut at)?).ok()?;
    let mut types = Vec::new();
    while at < head {
        types.push(varint(bytes, &mut at)?);
        if types.len() > COLUMNS_MAX {
            return None;
        }
    }
    (at == head).then_some((head, types))
}

fn size(kind: u64) -> usize {
    match kind {
        0 | 8 | 9 => 0,
        1..=4 => kind as usize,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => usize::MAX / 64,
        long => usize::try_from((long - 12) / 2).unwrap_or(usize::MAX / 64).min(usize::MAX / 64),
    }
}

fn record(bytes: &[u8]) -> Option<Vec<Cell>> {
    let (mut at, types) = types(bytes)?;
    if types.iter().map(|t| size(*t)).sum::<usize>().checked_add(at)? != bytes.len() {
        return None;
    }
    let mut cells = Vec::with_capacity(types.len());
    for kind in types {
        let value = bytes.get(at..at + size(kind))?;
        at += value.len();
        cells.push(match kind {
            0 => Cell::Null,
            8 | 9 => Cell::Int(kind as i64 - 8),
            1..=6 => {
                let sign = if value.first().is_some_and(|b| *b >= 0x80) { -1 } else { 0 };
                Cell::Int(value.iter().fold(sign, |n: i64, b| n << 8 | i64::from(*b)))
            }
            // No table of ours has a fraction.
            7 | 10 | 11 => return None,
            text if text % 2 == 1 => Cell::Text(std::str::from_utf8(value).ok()?.to_owned()),
            _ => Cell::Blob(value.to_vec()),
        });
    }
    Some(cells)
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at + 2)?.try_into().ok().map(|b| usize::from(u16::from_be_bytes(b)))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// Seven bits a byte, the ninth byte whole.
fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut n = 0;
    for i in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if i == 8 {
            return Some(n << 8 | u64::from(byte));
        }
        n = n << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}
