//! What comes in: pages of feeds with segments, rulings and both, and where the device stands in them.

use daftar_device::Error;
use daftar_device::vault::{AppliedItem, AppliedWhat};

use super::{Workload, acts};
use crate::desk::Desk;
use crate::world::{TEAM, World, c, colour, end, stop};

fn apply(desk: &mut Desk, items: &[AppliedItem], to: Option<u64>) -> daftar_device::Result<()> {
    let applied = desk.store().apply(&c(TEAM), items, to.map(end).as_ref())?;
    if applied.refused.is_empty() { Ok(()) } else { Err(Error::Unexpected(format!("{:?}", applied.refused))) }
}

fn broken(item: &AppliedItem) -> AppliedItem {
    AppliedItem { what: AppliedWhat::Segment(vec![1, 2, 3]), ..item.clone() }
}

pub fn workloads() -> Vec<Workload> {
    vec![
        acts("a page of segments", &[|w, d| apply(d, &w.pages[..2], None)]),
        acts(
            "four pages and the end",
            &[
                |w, d| apply(d, &w.pages[..1], None),
                |w, d| apply(d, &w.pages[1..2], None),
                |w, d| apply(d, &w.pages[2..3], None),
                |w, d| apply(d, &w.pages[3..], Some(4)),
            ],
        ),
        acts("the same page twice", &[|w, d| apply(d, &w.pages[..2], None), |w, d| apply(d, &w.pages[..2], None)]),
        acts(
            "a page of rulings",
            &[|w, d| apply(d, &w.pages, None), |w, d| apply(d, &w.ruled[..1], None), |w, d| apply(d, &w.ruled[1..], Some(6))],
        ),
        acts("rulings before what they are about", &[|w, d| apply(d, &w.ruled[..1], None), |w, d| apply(d, &w.pages, None)]),
        acts(
            "a page of segments and rulings",
            &[|w: &World, d| {
                let both: Vec<AppliedItem> = w.pages.iter().chain(&w.ruled[..1]).cloned().collect();
                apply(d, &both, Some(5))
            }],
        ),
        acts(
            "a page of which one is refused",
            &[
                |w: &World, d| {
                    let page = [w.pages[0].clone(), broken(&w.pages[1])];
                    let applied = d.store().apply(&c(TEAM), &page, None)?;
                    if applied.refused.len() == 1 { Ok(()) } else { Err(Error::Unexpected("it was taken".into())) }
                },
                |w, d| apply(d, &w.pages[1..2], None),
            ],
        ),
        acts(
            "a page between two saves",
            &[
                |_, d| d.store().save(&stop(20)).map(drop),
                |w, d| apply(d, &w.pages, None),
                |_, d| d.store().save(&colour(120, "beige")).map(drop),
            ],
        ),
        acts(
            "headquarters' own stream comes again",
            &[|w, d| d.store().apply(&c("reference"), std::slice::from_ref(&w.reference), None).map(drop)],
        ),
        acts("the list of cursors is confirmed", &[|w, d| apply(d, &w.pages, Some(4)), |_, d| d.store().set_confirmed(&[end(4)])]),
        acts(
            "heads are to be compared",
            &[|w, d| apply(d, &w.pages, Some(4)), |_, d| d.store().suspect(&c(TEAM)), |_, d| d.store().compare(&c(TEAM)).map(drop)],
        ),
    ]
}
