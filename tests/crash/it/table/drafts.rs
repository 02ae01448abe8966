//! Forms: begun, typed on, thrown away, saved.

use daftar_core::record::Kind;
use daftar_device::Error;
use daftar_device::json::write_data;

use super::{Workload, acts};
use crate::desk::Desk;
use crate::world::{TEAM, c, draft, id, stop};

fn keep(desk: &mut Desk, n: u8, form: &str) -> daftar_device::Result<()> {
    desk.store().own().keep_draft(&draft(n, form))
}

/// Saves the form whose draft is `n`.
fn save(desk: &mut Desk, n: u8) -> daftar_device::Result<()> {
    let data = write_data(Kind::Inspection, &stop(n).set, &|_, _| Vec::new());
    desk.store().create_form(&c(TEAM), Kind::Inspection, id(n), &data).map(drop)
}

fn amend(desk: &mut Desk, n: u8) -> daftar_device::Result<()> {
    let view = desk.store().show(&c(TEAM), &id(n))?;
    let mut data = view.item.data();
    data.insert("remarks".into(), "checked again".into());
    desk.store().amend_form(&c(TEAM), id(n), &view.item.state.heads, &data, Some("checked".into())).map(drop)
}

pub fn workloads() -> Vec<Workload> {
    vec![
        acts("a form is begun", &[|_, d| keep(d, 50, "0")]),
        acts("a form is typed on", &[|_, d| keep(d, 90, "01"), |_, d| keep(d, 90, "01 A"), |_, d| keep(d, 90, &"01 A 123 ".repeat(3_000))]),
        acts("forms are thrown away", &[|_, d| d.store().own().delete_draft(&id(90)), |_, d| d.store().own().delete_draft(&id(91))]),
        acts("a form becomes a record", &[|_, d| save(d, 90)]),
        acts(
            "forms are begun and become records",
            &[|_, d| keep(d, 50, "0"), |_, d| save(d, 50), |_, d| save(d, 91), |_, d| keep(d, 51, "1")],
        ),
        acts(
            "a form that amends is saved",
            &[|_, d| d.store().own().keep_draft(&daftar_device::draft::Draft { amends: true, ..draft(2, "typed") }), |_, d| amend(d, 2)],
        ),
        acts(
            "a form that is too large is refused and loses nothing",
            &[|_, d| {
                let large = "x".repeat(daftar_device::draft::DRAFT_BYTES_MAX + 1);
                match keep(d, 90, &large) {
                    Err(Error::Input(_)) => keep(d, 90, "shorter"),
                    Ok(()) => Err(Error::Unexpected("it was taken".into())),
                    Err(e) => Err(e),
                }
            }],
        ),
    ]
}
