//! Reading a pack: its writer's signature over every byte first, then what is sealed to the unlocked officer. Never looks into a pack whose
//! signature does not hold.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use daftar_core::ids::DeviceId;
use daftar_wire::pack::{Blocks, Header, Opened, Purpose, Reader, Verifier};
use daftar_wire::sign::VerifyingKey;

use super::{PackError, PackProgress, PackRead, Told, answer, file, gift};
use crate::vault::Store;

/// Reads an answer of headquarters or a gift of another device. Twice, late or out of order it changes nothing.
pub async fn read(store: &Arc<Store>, path: &Path, progress: Told<'_>) -> Result<PackRead, PackError> {
    let (header, from, opening) = verified(store, path, progress).await?;
    match header.purpose {
        Purpose::Question => Err(for_headquarters()),
        Purpose::Answer => answer::take(store, &header, opening, progress).await,
        Purpose::Gift => gift::take(store, &header, from, opening, progress).await,
    }
}

/// Checks the signature over the whole file by the key of whoever says to have written it.
async fn verified(store: &Store, path: &Path, progress: Told<'_>) -> Result<(Header, String, Opening), PackError> {
    let mut blocks = file::open(path)?;
    let (mut verifier, mut writer) = (Verifier::default(), None);
    while blocks.first(&mut verifier)? {
        if let (None, Some(header)) = (&writer, verifier.header()) {
            writer = Some(known_writer(store, header)?);
        }
        tell(&blocks, progress);
        // Others get their turn: a stick is slow.
        tokio::task::yield_now().await;
    }
    let (from, key) = writer.ok_or_else(|| PackError::Broken("this is no courier pack, or it was cut".into()))?;
    let header = verifier.finish(&key)?;
    Ok((header, from, Opening { blocks, reader: Reader::new(vec![store.session().opening.clone()]) }))
}

fn tell(blocks: &Blocks<File>, progress: Told<'_>) {
    let (bytes, of) = blocks.progress();
    progress(PackProgress { bytes, of: Some(of) });
}

fn for_headquarters() -> PackError {
    PackError::NotForUs("this pack is a question for headquarters: it is to be read there, by `daftar-server pack read`".into())
}

/// Who wrote it, as people call him, and his key; an error if it is not for this device and officer.
fn known_writer(store: &Store, header: &Header) -> Result<(String, VerifyingKey), PackError> {
    let ours = store.device();
    if header.purpose == Purpose::Question {
        return Err(for_headquarters());
    }
    if header.reader != ours.id {
        return Err(PackError::NotForUs(format!("this pack is for {}, and this is device {}", called(store, &header.reader)?, ours.name)));
    }
    if let Some(officer) = header.officer.filter(|o| *o != store.officer()) {
        let known = store.shared().keyring.officers()?.into_iter().find(|o| o.id == officer);
        let who = known.map_or_else(|| format!("officer {officer}"), |o| format!("officer {}", o.handle));
        return Err(PackError::NotForUs(format!("this pack is sealed to {who}: only that officer can read it on this device")));
    }
    match header.purpose {
        Purpose::Question => Err(for_headquarters()),
        Purpose::Answer if header.writer == ours.server => Ok(("headquarters".into(), ours.server_key()?)),
        Purpose::Answer => {
            Err(PackError::Writer("this pack says that it is headquarters' answer, and headquarters did not write it".into()))
        }
        Purpose::Gift => gift::writer(store, &header.writer),
    }
}

/// A device as people call it.
fn called(store: &Store, device: &DeviceId) -> Result<String, PackError> {
    if *device == store.device().server {
        return Ok("headquarters".into());
    }
    let known = store.other_device(device)?;
    Ok(known.map_or_else(|| format!("device {device}"), |d| format!("device {} ({device})", d.name)))
}

/// A pack in its second pass.
pub(super) struct Opening {
    blocks: Blocks<File>,
    reader: Reader,
}

impl Opening {
    /// What the next block opens; `None` at the end of the file.
    pub(super) fn next(&mut self, progress: Told<'_>) -> Result<Option<Vec<Opened>>, PackError> {
        let Some(block) = self.blocks.again()? else { return Ok(None) };
        let opened = self.reader.push(block)?;
        tell(&self.blocks, progress);
        Ok(Some(opened))
    }
}
