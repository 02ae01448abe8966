//! Record numbers for people: team, year, the device's digit and a count for it, kept in the compartment's own file. Needs no network.

use daftar_core::compartment::{Audience, Compartment};
use daftar_core::record::{self, Kind};
use daftar_core::time::format_time;
use daftar_core::value::{Path, Value};
use rusqlite::Connection;

use super::file::{meta, set_meta};
use crate::error::Result;

/// Digits of the count: 99,999 records of one device and compartment in a year are written in five.
const COUNT_WIDTH: usize = 5;

/// The field that holds a record's number, where this device gives numbers to the kind.
pub(super) fn field(kind: Kind) -> Option<Path> {
    prefix(kind)?;
    record::field_named(kind, "number").map(|f| Path::Field(f.number))
}

fn prefix(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Inspection => Some(""),
        Kind::Seizure => Some("S-"),
        Kind::SurveillanceNote => Some("N-"),
        Kind::Exhibit
        | Kind::CustodyEvent
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

/// The next number of this kind: `IMT-3-2026-200001`. Agency and operation stand in it too, because each file counts for itself; and `team`,
/// the device's, where the compartment is another's, because only within its own team is the device's digit its own.
pub(super) fn next(conn: &Connection, kind: Kind, compartment: &Compartment, team: Option<&str>, digit: u32, now_ms: u64) -> Result<Value> {
    let own = team.unwrap_or("hq");
    let series = match compartment.audience() {
        Audience::Team(t) if t == own => t.to_owned(),
        Audience::Team(t) => format!("{t}-{own}"),
        Audience::Agency(a, t) if t == own => format!("{t}-{}", a.code()),
        Audience::Agency(a, t) => format!("{t}-{}-{own}", a.code()),
        Audience::Operation(o) => format!("{own}-{o}"),
        Audience::Reference | Audience::Watchlist(_) | Audience::Hits(_) | Audience::Audit(_) => own.to_owned(),
    };
    let time = format_time(i64::try_from(now_ms).unwrap_or(i64::MAX));
    let year = time.split('-').next().unwrap_or_default();
    let stem = format!("{}{}-{year}", prefix(kind).unwrap_or_default(), series.to_uppercase());
    let key = format!("number {stem}-{digit}");
    // A count without a digit goes on, whatever the digit is: no number is given twice.
    let last = meta(conn, &key)?.or(meta(conn, &format!("number {stem}"))?);
    let last = last.and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes);
    set_meta(conn, &key, &(last + 1).to_be_bytes())?;
    Ok(Value::Text(format!("{stem}-{digit}{:0COUNT_WIDTH$}", last + 1)))
}

/// The count that a number of this device's digit was given by: its key and how far it was then.
pub(super) fn count_of(number: &str, digit: u32) -> Option<(String, u64)> {
    let (stem, given) = number.rsplit_once('-')?;
    let count = given.strip_prefix(&digit.to_string()).filter(|count| count.len() >= COUNT_WIDTH)?;
    Some((format!("number {stem}-{digit}"), count.parse().ok()?))
}
