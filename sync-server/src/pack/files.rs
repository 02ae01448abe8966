//! The files that stand behind a question's end: taken by the same service as over a link, word by word, and answered in the pack. A word that
//! cannot be read is passed over alone. Never sends more than a pack may bring.

use std::collections::HashSet;
use std::sync::Arc;

use daftar_wire::file::{Bitmap, FileAnswer, FileAsk, FileId, chunk_bytes};
use daftar_wire::limits::FILE_EXCHANGE_FILES_MAX;
use daftar_wire::message::{Answer, Ask};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::thumbnails::Named;
use super::{Asked, To, Told, WAITING};
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::service::{Road, Service};
use crate::store::{files, meta};

/// What became of a question's files.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Files {
    /// They are here whole.
    pub(super) whole: u64,
    /// A part of them is here.
    pub(super) parts: u64,
}

/// Takes what is left of a question, and sends what it wants behind the thumbnails of the records that its answer brings.
pub(super) async fn take(
    service: &Arc<Service>,
    to: &To<'_>,
    asked: Asked,
    named: Named,
    answers: &Sender<Answer>,
    told: Told<'_>,
) -> Result<Files> {
    let (asks, questions) = channel(WAITING);
    let (said, heard) = channel(WAITING);
    // What he may read is sent, whoever else is named.
    let _ = asks.send(FileAsk::Hello(vec![to.officer])).await;
    let hq = service.hq().clone();
    let asking = Asking { hq: hq.clone(), room: to.room, asks, offered: HashSet::new(), wanted: HashSet::new() };
    let (offered, done, heard) = tokio::join!(
        asking.ask_all(asked, named, told),
        async {
            let done = service.exchange_files(to.device, questions, &said, Road::Pack).await;
            drop(said);
            done
        },
        answer(heard, answers),
    );
    let offered = offered?;
    if let Err(error) = done {
        // The records' receipts are not kept from the device for that: the files wait there.
        tracing::error!(device = %to.device.id, %error, "the files of a courier pack could not all be taken");
    }
    let Heard { receipted, parts } = heard;
    Ok(Files { whole: receipted.intersection(&offered).count() as u64, parts })
}

/// Hands a question's words about files on to the service.
struct Asking {
    hq: Arc<Headquarters>,
    /// Bytes of files that the answer still has room for.
    room: u64,
    asks: Sender<FileAsk>,
    offered: HashSet<FileId>,
    wanted: HashSet<FileId>,
}

impl Asking {
    /// All of them, as far as the answer has room for what they want. What was offered.
    async fn ask_all(mut self, mut asked: Asked, named: Named, told: Told<'_>) -> Result<HashSet<FileId>> {
        let (hq, room) = (self.hq.clone(), self.room);
        let (unasked, left) = blocking(move || named.fitting(&hq, room)).await?;
        self.room = left;
        for file in unasked {
            self.wanted.insert(file.clone());
            self.say(FileAsk::Want { file, held: None, chunks_max: 1, begun: None }).await;
        }
        loop {
            let (back, next) = asked.read_on(told).await?;
            asked = back;
            let word = match next {
                Some(Ask::File(word)) => word,
                Some(_) => continue,
                None => return Ok(self.offered),
            };
            match FileAsk::read(&word) {
                Ok(Some(FileAsk::Want { file, held, chunks_max, .. })) => self.want(file, held, chunks_max).await?,
                Ok(Some(FileAsk::Offer(manifest))) => {
                    self.offered.insert(manifest.file.clone());
                    self.say(FileAsk::Offer(manifest)).await;
                }
                Ok(Some(FileAsk::Chunk(chunk))) => self.say(FileAsk::Chunk(chunk)).await,
                // A pack has whole chunks.
                Ok(Some(FileAsk::Hello(_) | FileAsk::Part(_) | FileAsk::End) | None) => {}
                Err(error) => tracing::warn!(%error, "a word about a file that cannot be read was passed over"),
            }
        }
    }

    async fn say(&self, ask: FileAsk) {
        // Who listens no more has said why.
        let _ = self.asks.send(ask).await;
    }

    /// A file that is wanted, as many of its chunks as there is room for. The next question says what came of it.
    async fn want(&mut self, file: FileId, held: Option<Vec<u8>>, chunks_max: u32) -> Result<()> {
        if self.wanted.len() >= FILE_EXCHANGE_FILES_MAX || !self.wanted.insert(file.clone()) {
            return Ok(());
        }
        let (hq, room, asked, has) = (self.hq.clone(), self.room, file.clone(), held.clone());
        let (fit, left) = blocking(move || fitting(&hq, &asked, has.as_deref(), chunks_max, room)).await?;
        self.room = left;
        if fit > 0 || chunks_max == 0 {
            self.say(FileAsk::Want { file, held, chunks_max: fit, begun: None }).await;
        }
        Ok(())
    }
}

/// How many chunks of a file fit, of so many that are wanted, and the room that is left. Of one that is not here all do: nothing comes of it.
fn fitting(hq: &Headquarters, file: &FileId, held: Option<&[u8]>, chunks_max: u32, room: u64) -> Result<(u32, u64)> {
    let row = hq.store.read(|tx| match meta::compartment(tx, &file.compartment)? {
        Some(place) => files::whole(tx, &place, &file.sha256),
        None => Ok(None),
    })?;
    let Some(row) = row else { return Ok((chunks_max, room)) };
    let has = held.and_then(|bits| Bitmap::read(row.held.count(), bits)).unwrap_or_else(|| Bitmap::empty(row.held.count()));
    let (mut fit, mut left) = (0, room);
    for index in has.missing().take(chunks_max as usize) {
        let Some(rest) = left.checked_sub(chunk_bytes(row.size, index).unwrap_or(0) as u64) else { break };
        (fit, left) = (fit + 1, rest);
    }
    Ok((fit, left))
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(f).await.map_err(Error::stopped)?
}

/// What was answered.
#[derive(Default)]
struct Heard {
    receipted: HashSet<FileId>,
    /// Files of which a part is here.
    parts: u64,
}

/// Writes down what tells the device something.
async fn answer(mut heard: Receiver<FileAnswer>, answers: &Sender<Answer>) -> Heard {
    let mut all = Heard::default();
    while let Some(answer) = heard.recv().await {
        match &answer {
            FileAnswer::Here | FileAnswer::End => continue,
            FileAnswer::Receipt(r) => all.receipted.extend(r.held.iter().map(|f| f.file.clone())),
            FileAnswer::Held { held, .. } => all.parts += u64::from(held.iter().flatten().any(|bits| *bits != 0)),
            FileAnswer::Offer(_) | FileAnswer::Chunk(_) | FileAnswer::Part(_) | FileAnswer::Missing(_) | FileAnswer::Refused { .. } => {}
        }
        let _ = answers.send(Answer::File(answer.word())).await;
    }
    all
}
