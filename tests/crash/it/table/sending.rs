//! What goes out: streams are signed and cut, receipts come, a stream is begun anew.

use daftar_device::Error;
use daftar_device::vault::Taken;

use super::{Workload, acts};
use crate::desk::Desk;
use crate::world::{AGENCY, TEAM, World, c, colour, stop};

fn segment(desk: &mut Desk, compartment: &str, from: u64, most: u32) -> daftar_device::Result<()> {
    let unsent = desk.store().unsent(&c(compartment))?.remove(0);
    desk.store().segment(&unsent.stream, from, most, 1 << 20).map(drop)
}

fn receipt(w: &World, desk: &mut Desk, compartment: &str) -> daftar_device::Result<()> {
    let (receipted, bytes) = w.hq.receipt(desk.store(), &c(compartment))?;
    desk.store().receipted(&receipted, &bytes).map(drop)
}

fn anew(desk: &mut Desk) -> daftar_device::Result<()> {
    desk.store().begin_anew(&c(TEAM)).map(drop)
}

fn create(desk: &mut Desk, n: u8) -> daftar_device::Result<()> {
    desk.store().save(&stop(n)).map(drop)
}

pub fn workloads() -> Vec<Workload> {
    vec![
        acts("a stream is signed for sending", &[|_, d| segment(d, TEAM, 1, 256)]),
        acts("a stream is cut in pieces", &[|_, d| segment(d, TEAM, 1, 2), |_, d| segment(d, TEAM, 3, 2), |_, d| segment(d, TEAM, 5, 2)]),
        acts("all is signed when the officer locks", &[|_, d| create(d, 20), |_, d| d.store().lock()]),
        acts("a receipt comes", &[|w, d| receipt(w, d, TEAM)]),
        acts("receipts of two compartments come", &[|w, d| receipt(w, d, TEAM), |w, d| receipt(w, d, AGENCY)]),
        acts(
            "a record is saved after the stream was sent",
            &[|_, d| segment(d, TEAM, 1, 256), |_, d| create(d, 20), |_, d| segment(d, TEAM, 7, 256), |_, d| create(d, 21)],
        ),
        acts(
            "a receipt comes while the next is saved",
            &[|w, d| receipt(w, d, TEAM), |_, d| create(d, 20), |_, d| segment(d, TEAM, 7, 256)],
        ),
        acts(
            "a foreign receipt clears nothing",
            &[|w, d| {
                let (mut receipted, bytes) = w.hq.receipt(d.store(), &c(TEAM))?;
                receipted.head.0[0] ^= 1;
                match d.store().receipted(&receipted, &bytes)? {
                    Taken::Foreign => Ok(()),
                    Taken::Changes(_) | Taken::Nothing => Err(Error::Unexpected("it was believed".into())),
                }
            }],
        ),
        acts("a stream is begun anew", &[|_, d| anew(d)]),
        acts(
            "a stream is begun anew after a receipt",
            &[|w, d| receipt(w, d, TEAM), |_, d| create(d, 20), |_, d| anew(d), |_, d| create(d, 21)],
        ),
        acts(
            "a stream is begun anew, amended and signed",
            &[|_, d| anew(d), |_, d| d.store().save(&colour(1, "green")).map(drop), |_, d| segment(d, TEAM, 1, 3), |_, d| anew(d)],
        ),
    ]
}
