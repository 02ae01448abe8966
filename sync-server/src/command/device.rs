//! `device`: which devices there are, what each may hold, and what was done with one that is lost. Never what is in a record.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use daftar_core::ids::OfficerId;
use daftar_core::time::format_time;
use serde::Serialize;

use super::{open, print, print_json};
use crate::error::Result;
use crate::sql::int;
use crate::store::access::{self, Door};
use crate::store::console;
use crate::store::people::{self, Device};

#[derive(Debug, Subcommand)]
pub(super) enum Act {
    /// Every device: its team, when it was last heard, what it should have purged.
    List(List),
    /// One device: its officers, what it may hold of which compartment, and what it has purged.
    Show(One),
    /// Strike a lost or stolen device off. It may still hand in its work, to review, and is told to purge everything.
    Revoke(One),
    /// Take a device back that was struck off.
    Activate(One),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  daftar-server device list --data D --json")]
pub(super) struct List {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  daftar-server device revoke --data D --device tablet-7")]
pub(super) struct One {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// Its id, or its name if no other has it.
    #[arg(long)]
    device: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    name: String,
    team: Option<String>,
    digit: u32,
    active: bool,
    /// When it was last heard, milliseconds of UTC.
    contact_ms: Option<u64>,
    /// How many changes were taken from it.
    taken: u64,
    /// Doors that should be shut and of which no purge receipt has come.
    waiting: usize,
    officers: Vec<Enrolled>,
    doors: Vec<ShownDoor>,
}

#[derive(Debug, Serialize)]
struct Enrolled {
    handle: String,
    /// The leader who let him in, if headquarters did not enrol him there.
    admitted_by: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownDoor {
    officer: String,
    compartment: String,
    read: bool,
    write: bool,
    opened_ms: u64,
    revoked_ms: Option<u64>,
    /// The device's word that it is shut, by its clock and by when it came.
    purged_ms: Option<u64>,
    purged_said_ms: Option<u64>,
    /// File, photos and index went too.
    removed: bool,
}

impl Act {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::List(list) => list.run(),
            Self::Show(one) => one.show(),
            Self::Revoke(one) => one.set(false),
            Self::Activate(one) => one.set(true),
        }
    }
}

impl List {
    fn run(self) -> Result<()> {
        let hq = open(self.data)?;
        let all = hq.store.read(|tx| {
            let devices = people::devices(tx)?.into_iter().filter(|d| d.id != hq.identity.device);
            devices.map(|d| shown(tx, d)).collect::<Result<Vec<_>>>()
        })?;
        if self.json {
            return print_json(&all);
        }
        all.iter().try_for_each(|d| print(line(d)))
    }
}

impl One {
    fn show(self) -> Result<()> {
        let hq = open(self.data)?;
        let device = hq.store.read(|tx| shown(tx, hq.find_device(tx, &self.device)?))?;
        if self.json {
            return print_json(&device);
        }
        print(line(&device))?;
        for o in &device.officers {
            let by = o.admitted_by.as_ref().map_or_else(String::new, |leader| format!(", let in by {leader}"));
            print(format_args!("  officer {}{by}", o.handle))?;
        }
        device.doors.iter().try_for_each(|d| print(format_args!("  {}: {}", d.officer, state(d))))
    }

    fn set(self, is_active: bool) -> Result<()> {
        let hq = open(self.data)?;
        let device = hq.set_device(&self.device, is_active)?;
        if self.json {
            return print_json(&hq.store.read(|tx| shown(tx, device))?);
        }
        let what =
            if is_active { "is active again" } else { "is struck off: at its next contact it hands in its work and purges everything" };
        print(format_args!("device {} ({}) {what}", device.name, device.id))
    }
}

fn time(ms: u64) -> String {
    format_time(int(ms))
}

fn line(d: &Shown) -> String {
    let heard = d.contact_ms.map_or_else(|| "never heard".into(), |ms| format!("heard {}", time(ms)));
    let state = match (d.active, d.waiting) {
        (true, 0) => String::new(),
        (true, n) => format!(", {n} purges awaited"),
        (false, 0) => ", struck off, purged".into(),
        (false, n) => format!(", struck off, {n} purges awaited"),
    };
    format!("{} {} team {} digit {}, {heard}, {} changes{state}", d.id, d.name, d.team.as_deref().unwrap_or("none"), d.digit, d.taken)
}

fn state(d: &ShownDoor) -> String {
    let removed = if d.removed { ", file removed" } else { "" };
    match (d.purged_said_ms, d.revoked_ms) {
        (Some(at), _) => format!("purged of {} on {}{removed}", d.compartment, time(at)),
        (None, Some(at)) => format!("may still hold {}, revoked on {}", d.compartment, time(at)),
        (None, None) => {
            let may = match (d.read, d.write) {
                (true, true) => "reads and writes",
                (true, false) => "reads",
                (false, _) => "writes",
            };
            format!("{may} {} since {}", d.compartment, time(d.opened_ms))
        }
    }
}

fn shown(tx: &rusqlite::Connection, d: Device) -> Result<Shown> {
    let handle = |id: &OfficerId| -> Result<String> { Ok(people::officer(tx, id)?.map_or_else(|| id.to_string(), |o| o.handle)) };
    let admissions = access::admissions(tx, &d.id)?;
    let mut officers = Vec::new();
    for (_, officer) in people::enrolled(tx)?.into_iter().filter(|(device, _)| *device == d.id) {
        let is_guest = !access::admitted(tx, &d.id, &officer)?.is_empty();
        let leader = admissions.iter().rev().find(|a| is_guest && a.officer == officer);
        officers.push(Enrolled { handle: handle(&officer)?, admitted_by: leader.map(|a| handle(&a.by)).transpose()? });
    }
    let doors = access::doors(tx, &d.id)?;
    let contact = console::contacts(tx)?.into_iter().find(|c| c.0 == d.id);
    let door = |door: &Door| -> Result<ShownDoor> {
        Ok(ShownDoor {
            officer: handle(&door.officer)?,
            compartment: door.place.name.to_string(),
            read: door.access.read,
            write: door.access.write,
            opened_ms: door.opened_ms,
            revoked_ms: door.revoked_ms,
            purged_ms: door.purged.as_ref().map(|p| p.1),
            purged_said_ms: door.purged.as_ref().map(|p| p.0.at_ms),
            removed: door.purged.as_ref().is_some_and(|p| p.0.removed),
        })
    };
    Ok(Shown {
        id: d.id.to_string(),
        name: d.name,
        team: d.team,
        digit: d.digit,
        active: d.active,
        contact_ms: contact.map(|c| c.1),
        taken: contact.map_or(0, |c| c.2),
        waiting: doors.iter().filter(|door| door.revoked_ms.is_some() && door.purged.is_none()).count(),
        officers,
        doors: doors.iter().map(door).collect::<Result<_>>()?,
    })
}
