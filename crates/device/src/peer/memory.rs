//! Two devices of one process exchange without a network between them, each way whole or cut: for tests and the simulated world. Says nothing
//! that a network would not carry.

use std::sync::Arc;

use daftar_wire::message::{FrameReader, PeerMessage};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::exchange::{End, exchange};
use super::limits::MESSAGES_WAITING;
use super::{PeerError, PeerReport};
use crate::error::Result;
use crate::share::{Stranger, readers};
use crate::vault::Store;

/// Where one way of a link ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere.
    #[default]
    Never,
    /// Behind so many bytes.
    Bytes(usize),
    /// In the midst of the segment behind so many.
    Segments(usize),
}

/// What an exchange came to.
#[derive(Debug)]
pub struct Exchanged {
    /// What each end says of it: who asked, and who answered.
    pub ends: [std::result::Result<PeerReport, PeerError>; 2],
    /// Bytes that were carried for each of them.
    pub carried: [usize; 2],
}

/// One exchange; `cuts`: of what the asking end says, and of what the answering one says. A stranger hears nothing.
pub async fn exchange_in_memory(
    asks: &Arc<Store>,
    answers: &Arc<Store>,
    cuts: [Cut; 2],
) -> Result<std::result::Result<Exchanged, Stranger>> {
    let known = |here: &Arc<Store>, there: &Arc<Store>| readers(here, &there.device().id).map(|found| found.map(|r| r.device));
    let (answering, asking) = match (known(asks, answers)?, known(answers, asks)?) {
        (Ok(answering), Ok(asking)) => (answering, asking),
        (Err(stranger), _) | (_, Err(stranger)) => return Ok(Err(stranger)),
    };
    let ((up, up_here), (up_to, up_there)) = (channel(MESSAGES_WAITING), channel(MESSAGES_WAITING));
    let ((down, down_here), (down_to, down_there)) = (channel(MESSAGES_WAITING), channel(MESSAGES_WAITING));
    let (first, second, asked, answered) = tokio::join!(
        exchange(asks, &answering, End::Asks, up, down_there, &|_| {}),
        exchange(answers, &asking, End::Answers, down, up_there, &|_| {}),
        carry(up_here, up_to, cuts[0]),
        carry(down_here, down_to, cuts[1]),
    );
    Ok(Ok(Exchanged { ends: [first, second], carried: [asked, answered] }))
}

/// Carries frames until the cut, and says how many bytes they were.
async fn carry(mut from: Receiver<Vec<u8>>, to: Sender<Vec<u8>>, cut: Cut) -> usize {
    let (mut carried, mut segments) = (0, 0);
    while let Some(mut frame) = from.recv().await {
        let len = frame.len();
        let left = match cut {
            Cut::Never => len,
            Cut::Bytes(at) => at.saturating_sub(carried).min(len),
            Cut::Segments(at) if is_segment(&frame) => {
                segments += 1;
                if segments > at { len / 2 } else { len }
            }
            Cut::Segments(_) => len,
        };
        frame.truncate(left);
        carried += left;
        if (!frame.is_empty() && to.send(frame).await.is_err()) || left < len {
            break;
        }
    }
    carried
}

fn is_segment(bytes: &[u8]) -> bool {
    let mut reader = FrameReader::default();
    reader.push(bytes);
    let message = reader.next().ok().flatten().and_then(|frame| PeerMessage::read(&frame).ok().flatten());
    matches!(message, Some(PeerMessage::Segment(_)))
}
