//! Records: created, amended, voided, decided, imported, in one compartment and in several.

use std::collections::BTreeMap;

use daftar_core::change::Op;
use daftar_core::value::{Path, Value};
use daftar_device::Error;
use daftar_device::vault::{Act, Imported};

use super::{Workload, acts};
use crate::desk::Desk;
use crate::world::{AGENCY, TEAM, World, c, colour, id, stop, stop_in};

fn create(desk: &mut Desk, n: u8) -> daftar_device::Result<()> {
    desk.store().save(&stop(n)).map(drop)
}

fn void(op: Op) -> Act {
    Act { reason: Some("written twice".into()), ..Act::on(c(TEAM), id(1), op, BTreeMap::new()) }
}

fn import(desk: &mut Desk, compartment: &str, from: u8, count: u8) -> daftar_device::Result<()> {
    let acts: Vec<Act> = (from..from + count).map(|n| stop_in(compartment, n)).collect();
    let done = desk.store().import(&c(compartment), &acts)?;
    // An import that is repeated finds the same.
    let taken = done.iter().all(|i| matches!(i, Imported::Saved(_) | Imported::Same));
    if taken { Ok(()) } else { Err(Error::Unexpected("a good record was refused".into())) }
}

pub fn workloads() -> Vec<Workload> {
    vec![
        acts("a record is created", &[|_, d| create(d, 20)]),
        acts("three records are created", &[|_, d| create(d, 20), |_, d| create(d, 21), |_, d| create(d, 22)]),
        acts(
            "a record is amended twice",
            &[|_, d| d.store().save(&colour(1, "green")).map(drop), |_, d| d.store().save(&colour(1, "beige")).map(drop)],
        ),
        acts("a record is voided", &[|_, d| d.store().save(&void(Op::Void)).map(drop)]),
        acts(
            "a void is taken back",
            &[|_, d| d.store().save(&void(Op::Void)).map(drop), |_, d| d.store().save(&void(Op::Unvoid)).map(drop)],
        ),
        acts(
            "two values are decided between",
            &[
                |_, d| d.store().save(&colour(1, "green")).map(drop),
                |_, d| {
                    let first = d.store().show(&c(TEAM), &id(1))?.history.first().map(|h| h.change);
                    d.store().save(&Act { parents: Some(first.into_iter().collect()), ..colour(1, "beige") }).map(drop)
                },
                |_, d| d.store().save(&Act { op: Op::Resolve, ..colour(1, "grey") }).map(drop),
            ],
        ),
        acts(
            "a very large record is created",
            &[|_, d| {
                let mut act = stop(20);
                act.set.insert(Path::Field(13), Value::Text("kuzatildi, ko‘zdan kechirildi; ".repeat(1_500)));
                d.store().save(&act).map(drop)
            }],
        ),
        acts("forty records are imported", &[|_, d| import(d, TEAM, 20, 40)]),
        acts(
            "imports into two compartments in turn",
            &[|_, d| import(d, TEAM, 20, 10), |_, d| import(d, AGENCY, 40, 10), |_, d| import(d, TEAM, 60, 10)],
        ),
        acts("an import is repeated", &[|_, d| import(d, TEAM, 20, 10), |_, d| import(d, TEAM, 20, 14)]),
        acts(
            "acts in two compartments in turn",
            &[
                |_, d| create(d, 20),
                |_, d| d.store().save(&stop_in(AGENCY, 21)).map(drop),
                |_, d| d.store().save(&colour(20, "green")).map(drop),
                |_, d| d.store().save(&stop_in(AGENCY, 22)).map(drop),
            ],
        ),
    ]
}

/// What comes after saves: the index, the log's way back into the file, the end of the program.
pub fn tending() -> Vec<Workload> {
    let tend: super::Step = |_: &World, d: &mut Desk| d.store().tend();
    let reopen: super::Step = |_: &World, d: &mut Desk| {
        d.close();
        d.unlock().map(drop)
    };
    vec![
        acts("the index follows", &[|_, d| create(d, 20), tend]),
        acts(
            "a search makes the index follow",
            &[
                |_, d| create(d, 20),
                |_, d| {
                    let found = d.store().search("Yusupov", None, 50)?;
                    if found.len() >= 7 { Ok(()) } else { Err(Error::Unexpected("a saved record is not found".into())) }
                },
            ],
        ),
        acts("a long log is written back", &[|_, d| import_large(d, 0), |_, d| import_large(d, 100), tend, |_, d| create(d, 20)])
            .with_writes(10),
        acts(
            "the program ends after a save",
            &[
                |_, d| create(d, 20),
                |_, d| {
                    d.close();
                    d.unlock().map(drop)
                },
                |_, d| create(d, 21),
            ],
        ),
        acts("the program ends twice without a save", &[reopen, reopen]),
    ]
}

/// Records of which the log grows beyond what tending leaves.
fn import_large(desk: &mut Desk, from: u8) -> daftar_device::Result<()> {
    let large = |n: u8| {
        let mut act = stop(n);
        act.record = daftar_core::ids::RecordId::new(crate::world::NOW_MS, [n, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        act.set.insert(Path::Field(13), Value::Text(format!("{n} qop tushirildi. ").repeat(900)));
        act
    };
    let acts: Vec<Act> = (from..from + 80).map(large).collect();
    desk.store().import(&c(TEAM), &acts).map(drop)
}
