//! What this end says to another device: who is unlocked, what is held, the records that the other lacks, and behind them files, asked for and
//! given. Never says of anything what `share` does not give.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use daftar_core::ids::{DeviceId, OfficerId};
use daftar_wire::file::{FileAnswer, FileAsk, FileId};
use daftar_wire::message::{Heads, Hello, PeerMessage};
use tokio::sync::mpsc::{Sender, UnboundedReceiver};

use super::limits::FILES_BYTES_MAX;
use crate::error::Result;
use crate::share::{GaveFile, Readers, give, give_file, heads, readers};
use crate::vault::{Store, WantedFile};

/// What is heard of how the other end stands.
pub(super) enum Heard {
    Hello(Vec<OfficerId>),
    Heads(Heads),
    /// All of its heads were said.
    Listed,
    /// It has files to talk about.
    TalksOfFiles,
    /// Its records were all taken: what they name may be asked for.
    Given,
    /// It asks for a file.
    Want {
        file: FileId,
        held: Option<Vec<u8>>,
        chunks_max: u32,
    },
    /// It asks for no more.
    WantsNoMore,
}

/// What this end has given and asked for so far.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    /// Compartments that both may read.
    pub(super) shared: AtomicU64,
    /// Changes given.
    pub(super) changes: AtomicU64,
    /// Photos and other files given.
    pub(super) files: AtomicU64,
    /// Files that were asked for: nothing of another is taken.
    asked: Mutex<HashSet<FileId>>,
}

impl Spoken {
    pub(super) fn has_asked(&self, file: &FileId) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).contains(file)
    }

    fn asks(&self, file: &FileId) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(file.clone());
    }
}

/// Says all that this end has to say. False: the other end went away first.
pub(super) fn speak(
    store: &Store,
    with: &DeviceId,
    mut heard: UnboundedReceiver<Heard>,
    out: &Sender<Vec<u8>>,
    spoken: &Spoken,
) -> Result<bool> {
    let say = |message: PeerMessage| out.blocking_send(message.write()).is_ok();
    let officers = vec![store.officer()];
    let hello = Hello { root: [0; 16], officers: officers.clone(), cursors: Vec::new(), budget: None, lineage: None, begun: Vec::new() };
    if !say(PeerMessage::Hello(hello)) {
        return Ok(false);
    }
    let Some(Heard::Hello(theirs)) = heard.blocking_recv() else { return Ok(false) };
    // Struck off since the handshake: nothing more is said.
    let Ok(to) = readers(store, with)? else { return Ok(false) };
    let speaker = Speaker { store, to: to.present(&theirs), out, spoken };
    spoken.shared.store(speaker.to.open.len() as u64, Ordering::Relaxed);
    for heads in heads(store, &speaker.to)? {
        if !say(PeerMessage::Heads(heads)) {
            return Ok(false);
        }
    }
    if !say(PeerMessage::File(FileAsk::Hello(officers).word())) || !say(PeerMessage::Listed) {
        return Ok(false);
    }
    let (mut talks_of_files, mut has_asked, mut has_answered) = (false, false, false);
    loop {
        let listens = match heard.blocking_recv() {
            Some(Heard::Hello(_)) => true,
            Some(Heard::TalksOfFiles) => {
                talks_of_files = true;
                true
            }
            Some(Heard::Heads(theirs)) => speaker.give(&theirs)?,
            Some(Heard::Listed) if talks_of_files => say(PeerMessage::Given),
            // Of an earlier version: it would wait for nothing more.
            Some(Heard::Listed) => return Ok(say(PeerMessage::End)),
            Some(Heard::Given) => {
                has_asked = true;
                speaker.ask()?
            }
            Some(Heard::Want { file, held, chunks_max }) => speaker.answer(&file, held.as_deref(), chunks_max)?,
            Some(Heard::WantsNoMore) => {
                has_answered = true;
                true
            }
            None => false,
        };
        if !listens {
            return Ok(false);
        }
        if has_asked && has_answered {
            return Ok(say(PeerMessage::End));
        }
    }
}

struct Speaker<'a> {
    store: &'a Store,
    to: Readers,
    out: &'a Sender<Vec<u8>>,
    spoken: &'a Spoken,
}

impl Speaker<'_> {
    fn say(&self, message: &PeerMessage) -> bool {
        self.out.blocking_send(message.write()).is_ok()
    }

    fn give(&self, theirs: &Heads) -> Result<bool> {
        let mut listens = true;
        give(self.store, &self.to, theirs, &mut |message| {
            let changes = if let PeerMessage::Segment(bytes) = &message { count(bytes) } else { 0 };
            listens = self.say(&message);
            self.spoken.changes.fetch_add(if listens { changes } else { 0 }, Ordering::Relaxed);
            listens
        })?;
        Ok(listens)
    }

    /// Asks for what this device lacks of what both may read.
    fn ask(&self) -> Result<bool> {
        for WantedFile { file, held, chunks_max } in self.store.files_to_ask(&self.to.in_order(), FILES_BYTES_MAX)? {
            self.spoken.asks(&file);
            let held = held.map(|h| h.bytes().to_vec());
            if !self.say(&PeerMessage::File(FileAsk::Want { file, held, chunks_max, begun: None }.word())) {
                return Ok(false);
            }
        }
        Ok(self.say(&PeerMessage::File(FileAsk::End.word())))
    }

    fn answer(&self, file: &FileId, held: Option<&[u8]>, chunks_max: u32) -> Result<bool> {
        let say = &mut |told: FileAnswer| self.say(&PeerMessage::File(told.word()));
        let gave = give_file(self.store, &self.to, file, held, chunks_max, say)?;
        self.spoken.files.fetch_add(u64::from(gave == GaveFile::All { is_original: true }), Ordering::Relaxed);
        Ok(gave != GaveFile::Gone)
    }
}

fn count(segment: &[u8]) -> u64 {
    daftar_wire::segment::Segment::outline(segment).map_or(0, |o| o.count.into())
}
