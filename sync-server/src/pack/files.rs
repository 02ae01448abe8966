//! The files that stand behind a question's end: taken by the same service as over a link, word by word, and answered in the pack. A word that
//! cannot be read is passed over alone. Never sends more than a pack may bring.

use std::collections::HashSet;
use std::sync::Arc;

use daftar_core::ids::OfficerId;
use daftar_wire::file::{FileAnswer, FileAsk, FileId};
use daftar_wire::limits::{FILE_CHUNK_BYTES, FILE_EXCHANGE_FILES_MAX, PACK_FILES_BYTES_MAX};
use daftar_wire::message::{Answer, Ask};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Asked, Told, WAITING};
use crate::error::Result;
use crate::service::Service;
use crate::store::people::Device;

/// Takes what is left of a question whose answer is sealed to this officer. How many files of it are here whole.
pub(super) async fn take(
    service: &Arc<Service>,
    device: &Device,
    officer: OfficerId,
    asked: Asked,
    answers: &Sender<Answer>,
    told: Told<'_>,
) -> Result<u64> {
    let (asks, questions) = channel(WAITING);
    let (said, heard) = channel(WAITING);
    // What he may read is sent, whoever else is named.
    let _ = asks.send(FileAsk::Hello(vec![officer])).await;
    let (offered, done, receipted) = tokio::join!(
        ask(asked, asks, told),
        async {
            let done = service.files(device, questions, &said).await;
            drop(said);
            done
        },
        answer(heard, answers),
    );
    let offered = offered?;
    if let Err(error) = done {
        // The records' receipts are not kept from the device for that: the files wait there.
        tracing::error!(device = %device.id, %error, "the files of a courier pack could not all be taken");
    }
    Ok(receipted.intersection(&offered).count() as u64)
}

/// Hands the words on, as far as an answer has room for what they want. What was offered.
async fn ask(mut asked: Asked, asks: Sender<FileAsk>, told: Told<'_>) -> Result<HashSet<FileId>> {
    let mut offered = HashSet::new();
    let mut room = u32::try_from(PACK_FILES_BYTES_MAX / FILE_CHUNK_BYTES as u64).unwrap_or(u32::MAX);
    let mut wants = 0;
    loop {
        let (back, next) = asked.read_on(told).await?;
        asked = back;
        let word = match next {
            Some(Ask::File(word)) => word,
            Some(_) => continue,
            None => return Ok(offered),
        };
        let ask = match FileAsk::read(&word) {
            Ok(Some(FileAsk::Want { file, held, chunks_max })) => {
                wants += 1;
                if wants > FILE_EXCHANGE_FILES_MAX || (room == 0 && chunks_max > 0) {
                    continue;
                }
                let chunks_max = chunks_max.min(room);
                room -= chunks_max;
                FileAsk::Want { file, held, chunks_max }
            }
            Ok(Some(FileAsk::Offer(manifest))) => {
                offered.insert(manifest.file.clone());
                FileAsk::Offer(manifest)
            }
            Ok(Some(FileAsk::Chunk(chunk))) => FileAsk::Chunk(chunk),
            Ok(Some(FileAsk::Hello(_) | FileAsk::End) | None) => continue,
            Err(error) => {
                tracing::warn!(%error, "a word about a file that cannot be read was passed over");
                continue;
            }
        };
        // Who listens no more has said why.
        let _ = asks.send(ask).await;
    }
}

/// Writes down what tells the device something; which files are receipted in it.
async fn answer(mut heard: Receiver<FileAnswer>, answers: &Sender<Answer>) -> HashSet<FileId> {
    let mut receipted = HashSet::new();
    while let Some(answer) = heard.recv().await {
        match &answer {
            // A bitmap is for whoever can still send in the same exchange.
            FileAnswer::Held { .. } | FileAnswer::Here | FileAnswer::End => continue,
            FileAnswer::Receipt(r) => receipted.extend(r.held.iter().map(|f| f.file.clone())),
            FileAnswer::Offer(_) | FileAnswer::Chunk(_) | FileAnswer::Missing(_) | FileAnswer::Refused { .. } => {}
        }
        let _ = answers.send(Answer::File(answer.word())).await;
    }
    receipted
}
