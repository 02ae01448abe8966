//! Who reads at the console, and which compartments are open to him at this moment. Every read of a record begins here.

use daftar_core::authorize::{Action, Role, authorize};
use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::OfficerId;
use daftar_core::record::Kind;

use crate::error::Result;
use crate::hq::Headquarters;
use crate::register::Known;
use crate::store::meta::{self, Doubt, Place};
use crate::store::people::{self, Device, Officer};

/// An officer at the console.
pub(super) struct Reader {
    pub(super) officer: Officer,
    /// The compartments whose records he may read, by name. Not the reference: that holds headquarters' tables and no records.
    pub(super) places: Vec<Place>,
}

impl Reader {
    /// The officer with what is open to him; `None` if he may not use the console (any more).
    pub(super) fn of(hq: &Headquarters, id: &OfficerId) -> Result<Option<Self>> {
        let now_ms = hq.clock.now_ms();
        hq.store.read(|tx| {
            let Some(officer) = people::officer(tx, id)?.filter(|o| o.active && o.role.uses_console()) else {
                return Ok(None);
            };
            let mut known = Known::default();
            known.learn(tx, id, None)?;
            // After a restore nothing is shown before it is confirmed who may still read.
            let is_in_doubt = meta::doubt(tx, Doubt::Restored)?.is_some();
            let mut places = meta::compartments(tx)?;
            places.retain(|p| {
                !is_in_doubt
                    && p.name.audience() != Audience::Reference
                    && authorize(id, None, Action::Read, &p.name, now_ms, &known).is_ok()
            });
            Ok(Some(Self { officer, places }))
        })
    }

    /// The compartment, if it is open to him.
    pub(super) fn place(&self, name: &Compartment) -> Option<&Place> {
        self.places.iter().find(|p| p.name == *name)
    }

    /// Whether he is shown this device.
    pub(super) fn sees_device(&self, device: &Device) -> bool {
        match self.officer.role {
            Role::Oct | Role::Analyst | Role::Admin => true,
            Role::Officer | Role::Leader => device.team.is_some() && device.team == self.officer.team,
        }
    }

    /// The compartment of a row, if it is open to him.
    pub(super) fn place_of(&self, row: i64) -> Option<&Place> {
        self.places.iter().find(|p| p.id == row)
    }
}

/// Whether the console shows such records; of headquarters' own tables it shows what they say, not the records.
pub(super) fn is_shown(kind: Kind) -> bool {
    !kind.is_of_headquarters()
}

/// The kind's name in JSON; one that this version does not know by its number.
pub(super) fn kind_name(kind: Kind) -> String {
    kind.name().map_or_else(|| format!("#{}", kind.number()), str::to_owned)
}

/// The team whose compartment it is.
pub(super) fn team_of(name: &Compartment) -> Option<&str> {
    match name.audience() {
        Audience::Team(team) | Audience::Agency(_, team) => Some(team),
        Audience::Operation(_) | Audience::Reference | Audience::Watchlist(_) | Audience::Hits(_) | Audience::Audit(_) => None,
    }
}
