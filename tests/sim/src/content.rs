//! What people write: small records with few values, so that officers often touch the same. Holds no real person.

use std::collections::BTreeMap;
use std::io::Cursor;

use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::RecordId;
use daftar_core::record::Kind;
use daftar_core::value::{ElementKey, Path, Value};

use image::{ImageFormat, RgbImage};

use crate::broken::{Broken, Checked};
use crate::rng::Rng;

const PLATES: &[&str] = &["01 A 123 BC", "80 B 222 CC", "10 777 AAA", "not read"];
const COLOURS: &[&str] = &["white", "black", "green", "beige"];
const NAMES: &[&str] = &["Aliyev", "Karimov", "Yusupov", "Тошев"];
const LEVELS: &[&str] = &["visual", "partial", "full"];
const REMARKS: &[&str] = &["calm", "Ўғри эмас", "smell of paint", "came back after an hour", ""];

fn text(of: &[&str], rng: &mut Rng) -> Value {
    Value::Text(rng.pick(of).copied().unwrap_or_default().to_owned())
}

/// The kinds of record that officers write in a compartment.
pub fn kinds(c: &Compartment) -> &'static [Kind] {
    match c.audience() {
        Audience::Team(_) => &[Kind::Inspection, Kind::Inspection, Kind::Seizure, Kind::Exhibit],
        Audience::Agency(..) => &[Kind::SurveillanceNote],
        Audience::Operation(_) => &[Kind::Inspection, Kind::SurveillanceNote],
        Audience::Reference | Audience::Watchlist(_) | Audience::Hits(_) | Audience::Audit(_) => &[],
    }
}

/// The keyed list of a kind that officers add to, and the field of an element that they write.
pub fn list(kind: Kind) -> Option<(u32, u32)> {
    match kind {
        Kind::Inspection => Some((29, 3)),
        Kind::Seizure => Some((36, 2)),
        Kind::Exhibit => Some((33, 3)),
        Kind::SurveillanceNote => Some((20, 4)),
        Kind::CustodyEvent
        | Kind::JointOperation
        | Kind::Shift
        | Kind::Task
        | Kind::Warning
        | Kind::WatchlistEntry
        | Kind::Asset
        | Kind::Qualification
        | Kind::Officer
        | Kind::Team
        | Kind::Post
        | Kind::Device
        | Kind::Grant
        | Kind::CodeList
        | Kind::Other(_) => None,
    }
}

/// A new record's fields. `parent`: the record that it belongs to.
pub fn record(kind: Kind, team: &str, parent: Option<RecordId>, now_ms: u64, rng: &mut Rng) -> BTreeMap<Path, Value> {
    let mut set = BTreeMap::from([(Path::Field(2), Value::Text(team.to_owned())), (Path::Field(13), text(REMARKS, rng))]);
    let time = Value::Int(i64::try_from(now_ms).unwrap_or(i64::MAX));
    if kind == Kind::Exhibit {
        set.insert(Path::Field(21), text(&["Heroin", "Opium", "Hashish"], rng));
        set.insert(Path::Field(23), Value::Int(1 + i64::try_from(rng.below(900_000)).unwrap_or(0)));
        set.extend(parent.map(|p| (Path::Field(20), Value::Bytes(p.0.to_vec()))));
    } else {
        set.insert(Path::Field(5), time);
    }
    if kind == Kind::Inspection {
        set.insert(Path::Field(41), text(PLATES, rng));
        set.insert(Path::Field(45), text(COLOURS, rng));
    }
    if let Some((list, field)) = list(kind) {
        for n in 1..=u32::try_from(rng.below(3)).unwrap_or(0) {
            set.insert(Path::Element(list, ElementKey::Given(n), field), element(kind, rng));
        }
    }
    set
}

/// What a camera or a folder gives: mostly small pictures, some of more than one chunk, and now and then no picture.
pub fn file(rng: &mut Rng) -> Checked<Vec<u8>> {
    let side = match rng.below(12) {
        0 => return Ok(noise(3000, rng)),
        1 => 320,
        _ => 16,
    };
    let picture = RgbImage::from_raw(side, side, noise(3 * (side * side) as usize, rng));
    let mut png = Cursor::new(Vec::new());
    match picture.map(|p| p.write_to(&mut png, ImageFormat::Png)) {
        Some(Ok(())) => Ok(png.into_inner()),
        other => Err(Broken(format!("a picture is none: {other:?}"))),
    }
}

fn noise(bytes: usize, rng: &mut Rng) -> Vec<u8> {
    let mut all = vec![0; bytes];
    rng.fill(&mut all);
    all
}

/// What an element's field says.
pub fn element(kind: Kind, rng: &mut Rng) -> Value {
    if kind == Kind::Exhibit { text(COLOURS, rng) } else { text(NAMES, rng) }
}

/// A field of the record and what it is amended to.
pub fn field(kind: Kind, rng: &mut Rng) -> (Path, Value) {
    if kind == Kind::Inspection {
        match rng.below(5) {
            0 => return (Path::Field(41), text(PLATES, rng)),
            1 => return (Path::Field(45), text(COLOURS, rng)),
            2 => return (Path::Field(24), text(LEVELS, rng)),
            3 => return (Path::Element(22, ElementKey::Code("panel_gap".into()), 2), text(&["seen", "not_seen"], rng)),
            _ => {}
        }
    }
    if rng.in_hundred(10) { (Path::Field(9), Value::Null) } else { (Path::Field(13), text(REMARKS, rng)) }
}
