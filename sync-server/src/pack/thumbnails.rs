//! Which thumbnails the records of an answer name, so that they come along unasked. Never reads a file's bytes.

use std::collections::BTreeSet;

use daftar_core::record::thumbnails;
use daftar_wire::file::FileId;
use daftar_wire::limits::{FILE_EXCHANGE_FILES_MAX, THUMBNAIL_BYTES_MAX};
use daftar_wire::message::Answer;
use daftar_wire::segment::Segment;

use crate::error::Result;
use crate::hq::Headquarters;
use crate::store::{files, meta};

/// Thumbnails that records of an answer name, at most as many as it may bring files. The others are asked for by the device's next question.
#[derive(Default)]
pub(super) struct Named(BTreeSet<FileId>);

impl Named {
    /// Takes note of what is said.
    pub(super) fn hear(&mut self, answer: &Answer) {
        let bytes = match answer {
            Answer::Item(item) => &item.segment,
            Answer::Loose(segment) => segment,
            Answer::Verdict(_)
            | Answer::LooseVerdict(_)
            | Answer::Rest(..)
            | Answer::Receipt(_)
            | Answer::Short(_)
            | Answer::Notice(_)
            | Answer::Reopened(_)
            | Answer::File(_)
            | Answer::End(_) => return,
        };
        // What cannot be read is not judged here.
        let Ok(segment) = Segment::read(bytes) else { return };
        let compartment = &segment.stream.compartment;
        for change in segment.entries.iter().filter_map(|e| e.read(compartment).ok()) {
            for sha256 in thumbnails(change.header.kind, &change.payload.set) {
                if self.0.len() < FILE_EXCHANGE_FILES_MAX {
                    self.0.insert(FileId { compartment: compartment.clone(), sha256 });
                }
            }
        }
    }

    /// Those that are here whole, the smallest first, in so many bytes; and how many are left of those.
    pub(super) fn fitting(self, hq: &Headquarters, room: u64) -> Result<(Vec<FileId>, u64)> {
        let mut here = hq.store.read(|tx| {
            let mut here = Vec::new();
            for file in self.0 {
                let Some(place) = meta::compartment(tx, &file.compartment)? else { continue };
                let row = files::whole(tx, &place, &file.sha256)?.filter(|row| row.size <= THUMBNAIL_BYTES_MAX && hq.blobs.is_there(row));
                here.extend(row.map(|row| (row.size, file)));
            }
            Ok(here)
        })?;
        here.sort();
        let mut left = room;
        let fits = here.into_iter().map_while(|(size, file)| {
            left = left.checked_sub(size)?;
            Some(file)
        });
        Ok((fits.collect(), left))
    }
}
