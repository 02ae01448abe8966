//! The state of things: the console's lag, records by team and kind, when each device was last heard. Never what is in a record.

use super::reader::{Reader, is_shown, kind_name, team_of};
use super::{dto, files};
use crate::error::Result;
use crate::hq::Headquarters;
use crate::project::Projector;
use crate::sql::int;
use crate::store::meta::{self, Doubt};
use crate::store::{console, people};

/// Uzbekistan is so far ahead of UTC, all year.
const UZBEKISTAN_OFFSET_MS: i64 = 5 * 3_600_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// What the reader may see of it.
pub(super) fn overview(hq: &Headquarters, projector: &Projector, reader: &Reader) -> Result<dto::Overview> {
    let now_ms = hq.clock.now_ms();
    let midnight = (int(now_ms) + UZBEKISTAN_OFFSET_MS).div_euclid(DAY_MS) * DAY_MS - UZBEKISTAN_OFFSET_MS;
    let (restored_ms, set_back_ms) = hq.store.read(|tx| Ok((meta::doubt(tx, Doubt::Restored)?, meta::doubt(tx, Doubt::SetBack)?)))?;
    let mut overview = projector.read(|tx| {
        let mut all = dto::Overview {
            now_ms,
            restored_ms,
            set_back_ms,
            lag: projector.lag(),
            conflicts: 0,
            in_review: 0,
            quarantined: 0,
            files_waiting: 0,
            files_without_record: 0,
            counts: Vec::new(),
            devices: Vec::new(),
        };
        for place in &reader.places {
            let (conflicts, in_review, quarantined) = console::open_questions(tx, place.id)?;
            all.conflicts += conflicts;
            all.in_review += in_review;
            all.quarantined += quarantined;
            for kind in console::kinds(tx, place.id)?.into_iter().filter(|k| is_shown(*k)) {
                let (count, today) = console::count(tx, place.id, kind, midnight)?;
                let (compartment, team) = (place.name.to_string(), team_of(&place.name).map(str::to_owned));
                all.counts.push(dto::Count { compartment, team, kind: kind_name(kind), today, all: count });
            }
        }
        Ok(all)
    })?;
    (overview.files_waiting, overview.files_without_record) = files::apart(hq, projector, reader)?;
    overview.devices = devices(hq, reader)?;
    Ok(overview)
}

fn devices(hq: &Headquarters, reader: &Reader) -> Result<Vec<dto::DeviceView>> {
    hq.store.read(|tx| {
        let contacts = console::contacts(tx)?;
        let mut all: Vec<dto::DeviceView> = Vec::new();
        for device in people::devices(tx)?.into_iter().filter(|d| d.id != hq.identity.device) {
            if reader.sees_device(&device) {
                let contact = contacts.iter().find(|c| c.0 == device.id);
                all.push(dto::DeviceView {
                    name: device.name,
                    team: device.team,
                    digit: device.digit,
                    active: device.active,
                    contact_ms: contact.map(|c| c.1),
                    taken: contact.map_or(0, |c| c.2),
                });
            }
        }
        all.sort_by_key(|d| std::cmp::Reverse(d.contact_ms));
        Ok(all)
    })
}
