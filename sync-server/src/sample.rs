//! The teams, posts and operations of the demonstration: those of the sample records. Holds no people and no record.

use rusqlite::Connection;

use crate::error::Result;
use crate::hq::Headquarters;

/// Code, name, latitude and longitude in degrees times 10^7.
type Post = (&'static str, &'static str, i64, i64);

const TEAMS: [(&str, &[Post]); 6] = [
    ("imt-1", &[("ayritom", "Ayritom", 372_240_000, 674_250_000), ("gulbahor", "Gulbahor", 376_110_000, 670_210_000)]),
    ("imt-2", &[("sariosiyo", "Sariosiyo", 384_660_000, 679_930_000), ("jartepa", "Jartepa", 396_530_000, 673_620_000)]),
    ("imt-3", &[("oybek", "Oybek", 403_210_000, 691_470_000), ("yallama", "Yallama", 409_870_000, 686_100_000)]),
    ("imt-4", &[("gishtkoprik", "G‘ishtko‘prik", 414_970_000, 693_540_000), ("uchqorgon", "Uchqo‘rg‘on", 411_160_000, 720_790_000)]),
    ("imt-5", &[("dostlik", "Do‘stlik", 405_380_000, 725_250_000)]),
    (
        "imt-6",
        &[
            ("olot", "Olot", 392_260_000, 636_940_000),
            ("dovutota", "Dovut-ota", 444_800_000, 559_950_000),
            ("shovot", "Shovot", 417_140_000, 601_930_000),
        ],
    ),
];

const OPERATIONS: [(&str, &str, &[&str]); 2] =
    [("op-qorachiroq", "Qorachiroq", &["imt-1", "imt-2"]), ("op-shamol", "Shamol", &["imt-3", "imt-4", "imt-5"])];

/// Adds them all.
pub(crate) fn add(hq: &Headquarters, tx: &Connection) -> Result<()> {
    for (code, posts) in TEAMS {
        hq.add_team(tx, code, &code.to_uppercase())?;
        hq.add_posts(tx, code, posts)?;
    }
    OPERATIONS.iter().try_for_each(|(id, name, teams)| hq.add_operation(tx, id, name, teams))
}
