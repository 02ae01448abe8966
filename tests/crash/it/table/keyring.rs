//! The keyring and the making of files: enrolment, unlocking, PINs, doors, settings.

use daftar_device::Error;
use daftar_device::keyring::ContactOutcome;
use daftar_device::vault::ContactOutcome as Outcome;
use daftar_wire::message::Access;

use super::{Workload, acts, from_opening};
use crate::desk::Desk;
use crate::world::{AGENCY, Age, NEW_PIN, NOW_MS, OPERATION, PIN, TEAM, World, ask, c, code, stop};

/// Enrols officer `n` on the device of officer 1.
pub fn enrol(w: &World, desk: &mut Desk, n: u8) -> daftar_device::Result<()> {
    let device = desk.device()?;
    let (enrolling, _) = ask(device, n, PIN)?;
    device.enrolled(&enrolling, &w.hq.answer(1, n, &[TEAM, AGENCY]), &code(n), PIN, None)
}

pub fn workloads() -> Vec<Workload> {
    vec![
        from_opening("the files are made at the first unlocking", Age::Enrolled, &[|_, d| d.unlock().map(drop)]),
        from_opening(
            "a first record in a new file",
            Age::Enrolled,
            &[
                |_, d| d.unlock().map(drop),
                |w, d| d.store().apply(&c("reference"), std::slice::from_ref(&w.reference), None).map(drop),
                |_, d| d.store().save(&stop(20)).map(drop),
            ],
        ),
        from_opening("an unlocking", Age::Worked, &[|_, d| d.unlock().map(drop)]),
        from_opening(
            "a wrong PIN and the right one",
            Age::Worked,
            &[
                |_, d| match d.device()?.unlock("imt-1-moi-1", "00000000") {
                    Err(Error::PinWrong { .. }) => Ok(()),
                    Ok(_) => Err(Error::Unexpected("it opened".into())),
                    Err(e) => Err(e),
                },
                |_, d| d.unlock().map(drop),
            ],
        ),
        acts(
            "settings, an address and a contact",
            &[
                |_, d| d.device()?.keyring().set_setting("language", "uz"),
                |_, d| d.device()?.keyring().set_address("127.0.0.1:2"),
                |_, d| d.store().note_contact(Outcome::Finished { hq_time_ms: NOW_MS + 5 }),
                |_, d| d.store().note_contact(ContactOutcome::Failed { code: "no_link".into() }),
            ],
        ),
        acts(
            "a compartment is opened by a notice",
            &[
                |_, d| d.store().grant_notice(&c(OPERATION), Access { read: true, write: true }),
                |_, d| d.store().save(&crate::world::stop_in(OPERATION, 20)).map(drop),
            ],
        ),
    ]
}

/// Those in which a PIN has its full price: fewer cuts, the dear ones.
pub fn dear() -> Vec<Workload> {
    vec![
        from_opening("a first enrolment", Age::Empty, &[|w, d| enrol(w, d, 1)]).with_writes(0),
        acts("a second officer is enrolled", &[|w, d| enrol(w, d, 2)]).with_writes(1),
        acts("a PIN is changed", &[|_, d| d.change_pin(NEW_PIN)]).with_writes(2),
    ]
}
