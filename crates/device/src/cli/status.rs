//! `status` and `verify`: what is here, and whether it holds. Never changes anything.

use std::sync::Arc;

use daftar_core::authorize::Action;
use daftar_core::compartment::Compartment;
use daftar_core::ids::RecordId;
use daftar_core::time::format_time;
use daftar_device::vault::{Counts, Why};
use daftar_device::{Error, Store};
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::out::Out;

/// What waits, what is in conflict, what each compartment holds.
pub fn status(store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
    let counts = store
        .allowed(Action::Read)
        .into_iter()
        .map(|c| Ok((store.counts(&c)?, c)))
        .collect::<daftar_device::Result<Vec<(Counts, Compartment)>>>()?;
    let (waiting, conflicts) = (store.waiting()?, counts.iter().map(|(n, _)| n.conflicts).sum::<u64>());
    let (why, taken) = (store.closed_why(), store.taken_back()?);
    let closed: Vec<String> = why.iter().map(|(c, _)| c.to_string()).collect();
    let names: Vec<String> = taken.iter().map(Compartment::to_string).collect();
    let hq = store.device().last_hq_ms.map(|ms| format_time(i64::try_from(ms).unwrap_or(i64::MAX)));
    out.say(
        || {
            let compartments: Map<String, Value> = counts
                .iter()
                .map(|(n, c)| (c.to_string(), json!({"records": n.records, "changes": n.changes, "digest": n.digest.to_string()})))
                .collect();
            json!({"waiting": waiting, "conflicts": conflicts, "compartments": compartments, "closed": closed, "taken_back": names, "hq_time": hq})
        },
        || {
            let mut lines = vec![
                match waiting {
                    0 => "Headquarters has everything that was saved here.".to_owned(),
                    n => format!("{n} changes wait for headquarters."),
                },
                format!("Headquarters was last reached: {}.", hq.as_deref().unwrap_or("never")),
                format!("{conflicts} records need a decision."),
            ];
            lines.extend(counts.iter().map(|(n, c)| format!("  {c}: {} records, {} changes, digest {}", n.records, n.changes, n.digest)));
            lines.extend(why.iter().map(|(c, why)| format!("  {c}: closed, {}", reason(*why))));
            lines.extend(taken.iter().map(|c| format!("  {c}: {TAKEN_BACK}")));
            lines
        },
    );
    Ok(0)
}

/// What is said of a compartment that headquarters took back.
pub const TAKEN_BACK: &str =
    "headquarters took it back from you; what you wrote there was handed in first, and you can open nothing of it here any more";

/// Why a compartment is closed, and what opens it.
pub fn reason(why: Why) -> &'static str {
    match why {
        Why::Damaged => {
            "its file is missing or damaged; what you save there is kept and will be sent; `daftar salvage` gets back what it still holds"
        }
        Why::Waits => "its key comes with the next sync; what you save there is kept and will be sent",
        Why::LeaseEnded => "the time without a contact is over; a sync opens it again; what you save there is kept and will be sent",
    }
}

/// The compartment of a record. Where some are closed, it may be there: that is said.
pub fn compartment_of(store: &Store, id: &RecordId) -> Result<Compartment, Fault> {
    let found = store.compartment_of(id);
    let closed: Vec<String> = store.closed_why().iter().map(|(c, why)| format!("`{c}` is closed: {}", reason(*why))).collect();
    match found {
        Err(e @ Error::NoRecord(_)) if !closed.is_empty() => {
            Err(Fault::closed(format!("{e} among those that are open; {}", closed.join("; "))))
        }
        found => Ok(found?),
    }
}

/// Checks everything again.
pub fn verify(store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
    let v = store.verify()?;
    out.say(
        || {
            let bad: Vec<Value> =
                v.bad.iter().map(|b| json!({"compartment": b.compartment.to_string(), "what": b.what, "n": b.n, "why": b.why})).collect();
            json!({"streams": v.streams, "changes": v.changes, "files": v.files, "bad": bad})
        },
        || {
            let mut lines = vec![format!("{} streams with {} changes and {} files were checked.", v.streams, v.changes, v.files)];
            if v.bad.is_empty() {
                lines.push("Every name, chain, signature and record holds.".into());
            }
            lines.extend(v.bad.iter().map(|b| match b.n {
                Some(n) => format!("  {}: stream {}, change {n}: {} does not hold", b.compartment, b.what, b.why),
                None if b.why == "file" => format!("  {}: its file is damaged: {}", b.compartment, b.what),
                None if b.why == "photo" => {
                    format!("  {}: file {} is damaged; sync fetches it again if headquarters has it", b.compartment, b.what)
                }
                None => format!("  {}: record {}: {} does not hold", b.compartment, b.what, b.why),
            }));
            lines
        },
    );
    Ok(u8::from(!v.bad.is_empty()))
}
