//! The forms that a damaged file of drafts still holds. Nothing signs them, so only those on whole pages are taken.

use std::collections::BTreeMap;
use std::path::Path;

use daftar_core::ids::RecordId;
use daftar_core::record::Kind;

use super::cells::Cell;
use super::pages::Damaged;
use crate::draft::Draft;
use crate::error::Result;

/// The forms that can be read, and how many pages cannot.
pub(crate) fn drafts(path: &Path, key: &[u8; 32]) -> Result<(Vec<Draft>, u64)> {
    let Some(mut file) = Damaged::open(path, key)? else { return Ok((Vec::new(), 0)) };
    let mut found: BTreeMap<RecordId, Draft> = BTreeMap::new();
    let seen = file.rows(&mut |row| {
        let (Some(_), true, [Cell::Blob(record), Cell::Int(kind), place, Cell::Int(amends), Cell::Blob(form), Cell::Int(kept)]) =
            (row.id, row.is_intact, row.cells.as_slice())
        else {
            return;
        };
        let (Ok(record), Ok(kind)) = (record.as_slice().try_into().map(RecordId), u32::try_from(*kind)) else { return };
        let compartment = if let Cell::Text(name) = place { name.parse().ok() } else { None };
        let kept_ms = u64::try_from(*kept).unwrap_or(0);
        if found.get(&record).is_none_or(|d| d.kept_ms <= kept_ms) {
            let kind = Kind::from_number(kind);
            found.insert(record, Draft { record, kind, compartment, amends: *amends == 1, form: form.clone(), kept_ms });
        }
    })?;
    Ok((found.into_values().collect(), seen.broken))
}
