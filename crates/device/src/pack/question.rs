//! A question for headquarters: what this device would say in an exchange, in a file. Says nothing else, and is not told what became of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use daftar_wire::limits::PACK_FRAMES_BYTES_MAX;
use daftar_wire::message::Ask;
use daftar_wire::pack::{Header, Purpose, Writer};
use tokio::sync::mpsc::{Receiver, channel};
use zeroize::Zeroizing;

use super::file::{Made, Written};
use super::{PackError, PackProgress, PackWritten, Told};
use crate::random::random;
use crate::sync::{Base, Question, blocking, send};
use crate::vault::Store;

/// Messages that are encoded ahead of the file.
const AHEAD: usize = 4;

/// Writes a question for headquarters: all that waits, and where this device stands. `replace`: a file of that name may go. What stands in it
/// waits on until headquarters' receipt comes, by whatever road.
pub async fn write(store: &Arc<Store>, path: &Path, replace: bool, progress: Told<'_>) -> Result<PackWritten, PackError> {
    let made = Made::check(path, replace)?;
    // What an earlier answer told and the device did not come to.
    blocking(store, Store::renew).await?;
    let heads = blocking(store, Store::differing).await?;
    let words = blocking(store, Store::words).await?.asks();
    let (asks, said) = channel(AHEAD);
    let sent = Arc::new(AtomicU64::new(0));
    let question = Question { base: Base::Nothing, heads, lineage: None, is_carried: true, budget: None };
    let sender = blocking(store, {
        let (of, sent) = (store.clone(), sent.clone());
        move |_| send(&of, question, words, &asks, &sent, None)
    });
    let (written, all) = tokio::join!(fill(store, made, said, progress), sender);
    let (file, more) = written?;
    all?;
    let bytes = file.keep()?;
    let changes = sent.load(Ordering::Relaxed);
    tracing::info!(changes, bytes, more, "a question for headquarters was written");
    Ok(PackWritten { changes, files: 0, bytes, more })
}

/// Writes what is said, sealed to headquarters and signed by this device; and whether it was full before all was said.
async fn fill(store: &Store, made: Made, mut said: Receiver<Vec<u8>>, progress: Told<'_>) -> Result<(Written, bool), PackError> {
    let device = store.device();
    let header = Header {
        purpose: Purpose::Question,
        writer: device.id,
        reader: device.server,
        at_ms: store.now_ms(),
        id: random()?,
        officer: None,
        epoch: None,
    };
    let mut pack = Writer::new(header);
    pack.section(&[store.shared().keyring.hq_sealing()?], &Zeroizing::new(random()?))?;
    let mut file = made.begin()?;
    let mut more = false;
    while let Some(frame) = said.recv().await {
        pack.put(&frame);
        file.put(&pack.take())?;
        progress(PackProgress { bytes: file.bytes(), of: None });
        if file.bytes() >= PACK_FRAMES_BYTES_MAX && !more {
            // What was encoded already comes along; nothing more is begun.
            said.close();
            more = true;
        }
    }
    if more {
        pack.put(&Ask::End.write());
    }
    file.put(&pack.finish(device.signing()))?;
    Ok((file, more))
}
