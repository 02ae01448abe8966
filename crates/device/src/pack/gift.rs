//! A gift: what another device may have of this one, in a file, and how one is taken. Who may have what is `share`'s; only headquarters' receipt
//! takes work off a queue.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use daftar_core::compartment::Compartment;
use daftar_core::ids::DeviceId;
use daftar_wire::file::FileAnswer;
use daftar_wire::limits::{FILE_CHUNKS_MAX, PACK_FRAMES_BYTES_MAX, PACK_READERS_MAX};
use daftar_wire::message::{FrameReader, Heads, PeerMessage};
use daftar_wire::pack::{Header, Opened, Purpose, Writer};
use daftar_wire::seal::SealingKey;
use daftar_wire::sign::{VerifyingKey, verifying_key};
use zeroize::Zeroizing;

use super::file::{Made, Written};
use super::packed::Packed;
use super::read::Opening;
use super::{PackError, PackProgress, PackRead, PackWritten, Told};
use crate::Error;
use crate::random::random;
use crate::share::{self, Bringer, FileWord, FilesIn, GaveFile, Readers, Took};
use crate::sync::blocking;
use crate::vault::{FileAlong, Store};

/// Writes what a device may have of this one, by its id or its name: records, and then the files that they name in at most so many bytes.
/// `replace`: a file of that name may go.
pub async fn write(
    store: &Arc<Store>,
    device: &str,
    path: &Path,
    replace: bool,
    files_bytes_max: u64,
    progress: Told<'_>,
) -> Result<PackWritten, PackError> {
    let made = Made::check(path, replace)?;
    let wanted = device.to_owned();
    let to = blocking(store, move |s| Ok(reader(s, &wanted))).await??;
    let header = Header {
        purpose: Purpose::Gift,
        writer: store.device().id,
        reader: to.device.id,
        at_ms: store.now_ms(),
        id: random()?,
        officer: None,
        epoch: None,
    };
    let mut giving = Giving { pack: Writer::new(header), file: made.begin()?, changes: 0, failed: None };
    for c in to.in_order() {
        if giving.file.bytes() >= PACK_FRAMES_BYTES_MAX {
            break;
        }
        let (theirs, to) = (Heads { compartment: c, branches: Vec::new() }, to.clone());
        giving = blocking(store, move |s| Ok(giving.section(s, &to, &theirs))).await??;
        progress(PackProgress { bytes: giving.file.bytes(), of: None });
    }
    let more = giving.file.bytes() >= PACK_FRAMES_BYTES_MAX;
    let (room, all, id) = (PACK_FRAMES_BYTES_MAX.saturating_sub(giving.file.bytes()).min(files_bytes_max), to.in_order(), to.device.id);
    let along = blocking(store, move |s| s.files_for_device(&id, &all, room)).await?;
    let (mut packed, mut of_each) = (Packed::of(&along), BTreeMap::<Compartment, Vec<FileAlong>>::new());
    along.files.into_iter().for_each(|f| of_each.entry(f.file.compartment.clone()).or_default().push(f));
    // A section of its own for each: files come after all records.
    for (c, files) in of_each {
        giving.begin(&to, &c)?;
        for f in files {
            let (to, of) = (to.clone(), f.clone());
            let (back, went) = blocking(store, move |s| Ok(giving.add_file(s, &to, &of))).await??;
            giving = back;
            packed.add(f, went);
            progress(PackProgress { bytes: giving.file.bytes(), of: None });
        }
    }
    let Giving { pack, mut file, changes, failed: _ } = giving;
    file.put(&pack.finish(store.device().signing()))?;
    let bytes = file.keep()?;
    packed.keep(store, id).await;
    let Packed { files, files_part, files_left, .. } = packed;
    tracing::info!(changes, files, files_part, files_left, bytes, more, to = %id, "a gift for another device was written");
    Ok(PackWritten { changes, files, files_part, files_left, bytes, more })
}

/// The device that is meant, and who there may read what.
fn reader(store: &Store, device: &str) -> Result<Readers, PackError> {
    let id = match device.parse::<DeviceId>() {
        Ok(id) => id,
        Err(_) => match &store.other_devices_named(device)?[..] {
            [one] => one.id,
            [] if device == store.device().name => store.device().id,
            [] => return Err(PackError::Writer(format!("the reference on this device knows no device `{device}`"))),
            several => {
                let ids: Vec<String> = several.iter().map(|d| d.id.to_string()).collect();
                return Err(PackError::Writer(format!("several devices are called `{device}`; name one by its id: {}", ids.join(", "))));
            }
        },
    };
    let to = share::readers(store, &id)?.map_err(|stranger| PackError::Writer(stranger.to_string()))?;
    if to.open.is_empty() {
        return Err(PackError::Writer(format!("no officer of device {} may read anything that is open here", to.device.name)));
    }
    Ok(to)
}

/// A gift in the making.
struct Giving {
    pack: Writer,
    file: Written,
    changes: u64,
    failed: Option<PackError>,
}

impl Giving {
    /// Begins a section, sealed to those of the other device who may read the compartment.
    fn begin(&mut self, to: &Readers, c: &Compartment) -> Result<(), PackError> {
        let mut keys: Vec<SealingKey> = to.open.get(c).into_iter().flatten().map(|r| r.sealing).collect();
        keys.truncate(usize::try_from(PACK_READERS_MAX).unwrap_or(usize::MAX));
        Ok(self.pack.section(&keys, &Zeroizing::new(random()?))?)
    }

    /// One compartment's records.
    fn section(mut self, store: &Store, to: &Readers, all: &Heads) -> Result<Self, PackError> {
        self.begin(to, &all.compartment)?;
        self.say(&PeerMessage::Heads(store.heads(&all.compartment)?));
        let gave = share::give(store, to, all, &mut |message| self.say(&message))?;
        self.changes += gave.changes;
        self.unless_failed()
    }

    /// What is to go of a file into the open section of its compartment. Whether it went.
    fn add_file(mut self, store: &Store, to: &Readers, f: &FileAlong) -> Result<(Self, bool), PackError> {
        let say = &mut |told: FileAnswer| self.say(&PeerMessage::File(told.word()));
        let gave = share::give_file(store, to, &f.file, Some(f.without.bytes()), FILE_CHUNKS_MAX, say)?;
        Ok((self.unless_failed()?, matches!(gave, GaveFile::All { .. })))
    }

    fn unless_failed(mut self) -> Result<Self, PackError> {
        match self.failed.take() {
            Some(e) => Err(e),
            None => Ok(self),
        }
    }

    /// False: it is full, or the stick is.
    fn say(&mut self, message: &PeerMessage) -> bool {
        if self.failed.is_some() {
            return false;
        }
        self.pack.put(&message.write());
        self.failed = self.file.put(&self.pack.take()).err();
        self.failed.is_none() && self.file.bytes() < PACK_FRAMES_BYTES_MAX
    }
}

/// Who wrote a gift, as people call the device, and its key.
pub(super) fn writer(store: &Store, device: &DeviceId) -> Result<(String, VerifyingKey), PackError> {
    let from = share::readers(store, device)?.map_err(|stranger| PackError::Writer(format!("the writer of this pack: {stranger}")))?.device;
    let key = from.signing.ok_or_else(|| PackError::Writer(format!("the reference on this device has no key of device {}", from.name)))?;
    Ok((from.name, verifying_key(&key)?))
}

pub(super) async fn take(
    store: &Arc<Store>,
    header: &Header,
    from: String,
    mut opening: Opening,
    progress: Told<'_>,
) -> Result<PackRead, PackError> {
    let mut taken = Taken {
        frames: FrameReader::default(),
        files: FilesIn::new(Bringer::Device),
        is_ours: false,
        received: 0,
        receipted: 0,
        refused: 0,
    };
    while let Some(opened) = opening.next(progress)? {
        let (back, done) = blocking(store, move |s| {
            let done = opened.into_iter().try_for_each(|o| taken.opened(s, o));
            Ok((taken, done))
        })
        .await?;
        taken = back;
        done?;
    }
    if !taken.is_ours {
        let who = &store.session().officer.handle;
        return Err(PackError::NotForUs(format!("nothing in this gift of device {from} is for officer {who}")));
    }
    let files = taken.files.took();
    let refused = taken.refused + files.refused;
    tracing::info!(received = taken.received, receipted = taken.receipted, refused, ?files, "a gift of another device was read");
    Ok(PackRead {
        purpose: header.purpose,
        from,
        written_ms: header.at_ms,
        received_changes: taken.received,
        receipted: taken.receipted,
        files_received: files.received,
        files_part: files.parts,
        files_receipted: files.receipted,
        refused,
        waiting: blocking(store, Store::waiting).await?,
        more: false,
    })
}

/// What was taken of a gift so far.
struct Taken {
    frames: FrameReader,
    files: FilesIn,
    is_ours: bool,
    received: u64,
    receipted: u64,
    refused: u64,
}

impl Taken {
    fn opened(&mut self, store: &Store, opened: Opened) -> Result<(), PackError> {
        match opened {
            Opened::Section { number: _, by } => {
                if !self.frames.is_empty() {
                    return Err(PackError::Broken("a section of the pack ends within a message".into()));
                }
                self.is_ours |= by.is_some();
            }
            Opened::Frames(bytes) => {
                self.frames.push(&bytes);
                while let Some(frame) = self.frames.next()? {
                    if let Some(message) = PeerMessage::read(&frame)? {
                        self.take(store, message)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, store: &Store, message: PeerMessage) -> Result<(), Error> {
        match message {
            PeerMessage::Segment(bytes) => match share::take_segment(store, &bytes)? {
                Took::New(n) => self.received += n,
                Took::Refused(why) => self.refuse(why),
            },
            PeerMessage::Receipt(receipt) => match share::take_receipt(store, &receipt)? {
                Took::New(n) => self.receipted += n,
                Took::Refused(why) => self.refuse(why),
            },
            PeerMessage::File(word) => match FileWord::read(&word) {
                Ok(FileWord::Tells(told)) => self.files.take(store, told),
                Ok(FileWord::Asks(_) | FileWord::Unknown) => {}
                Err(_) => self.files.refuse("malformed"),
            },
            PeerMessage::Hello(_)
            | PeerMessage::Heads(_)
            | PeerMessage::Here
            | PeerMessage::Listed
            | PeerMessage::Given
            | PeerMessage::End => {}
        }
        Ok(())
    }

    fn refuse(&mut self, why: &str) {
        tracing::warn!(why, "something in a gift was not taken");
        self.refused += 1;
    }
}
