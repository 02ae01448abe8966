//! Headquarters' answer: heard as over a link, but for what may be late. An old one says nothing of who may read what.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use daftar_wire::pack::{Header, Opened};
use tokio::sync::mpsc::{Sender, channel};

use super::read::Opening;
use super::{PackError, PackRead, Told};
use crate::sync::{self, Road, Settled, blocking, listen};
use crate::vault::Store;

/// Pieces between the file and who listens.
const AHEAD: usize = 4;

pub(super) async fn take(store: &Arc<Store>, header: &Header, opening: Opening, progress: Told<'_>) -> Result<PackRead, PackError> {
    let newest_ms = store.shared().keyring.newest_word_ms()?;
    let is_news = header.at_ms > newest_ms;
    if let Some(epoch) = header.epoch.filter(|e| *e != store.epoch()) {
        if !is_news {
            let why = "this answer is of an earlier life of headquarters' server, which has spoken since: nothing in it counts any more";
            return Err(PackError::Late(why.into()));
        }
        blocking(store, move |s| s.adopt_epoch(epoch)).await?;
    }
    let told = sync::Told { to_send: 0, tally: Arc::default(), progress: &|_| {}, counted: &|| (0, 0) };
    let (frames, pieces) = channel(AHEAD);
    let (heard, read) =
        tokio::join!(listen(store, pieces, &told, Road::Pack { is_news }, Vec::new(), None), all_frames(opening, frames, progress));
    let heard = heard?;
    let files = heard.files;
    // Also when it ended too early: the receipts before are written.
    blocking(store, move |s| heard.identity.settle(s, Settled::default())).await?;
    read?;
    let (end, _) = heard.outcome?;
    blocking(store, |s| s.purge_revoked()).await?;
    if is_news {
        // What headquarters said of who may read was heard to its end.
        blocking(store, move |s| s.carried(end.time_ms, !end.more)).await?;
    }
    let receipted = told.tally.receipted.load(Ordering::Relaxed);
    let received_changes = told.tally.received.load(Ordering::Relaxed);
    tracing::info!(received_changes, receipted, ?files, is_news, "an answer of headquarters was read");
    Ok(PackRead {
        purpose: header.purpose,
        from: "headquarters".into(),
        written_ms: header.at_ms,
        received_changes,
        receipted,
        files_received: files.received,
        files_part: files.parts,
        files_receipted: files.receipted,
        refused: heard.untaken + files.refused,
        waiting: blocking(store, Store::waiting).await?,
        more: end.more,
    })
}

/// Gives the one section's frames to who listens, until he has heard the end.
async fn all_frames(mut opening: Opening, frames: Sender<Vec<u8>>, progress: Told<'_>) -> Result<(), PackError> {
    while let Some(opened) = opening.next(progress)? {
        for o in opened {
            match o {
                Opened::Section { number: 0, by: Some(_) } => {}
                Opened::Section { .. } => {
                    return Err(PackError::NotForUs("this answer is sealed to another key than this officer's on this device".into()));
                }
                // Whoever listens no more has said why.
                Opened::Frames(bytes) => drop(frames.send(bytes).await),
            }
        }
    }
    Ok(())
}
