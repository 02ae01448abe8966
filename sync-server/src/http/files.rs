//! `POST /v1/files`: the exchange of files between HTTP and the service, with the limits of every exchange. Never decides what is said.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daftar_core::ids::DeviceId;
use daftar_wire::file::{FileAnswer, FileAsk};
use hyper::body::Incoming;
use hyper::{Response, StatusCode};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::route::{Questions, Unread, admitted, cbor, passed_over, said};
use super::{App, Body, Caller};
use crate::store::people::Device;

/// Chunks between body and service; the link waits behind them.
const ASKS_WAITING: usize = 2;
const ANSWERS_WAITING: usize = 2;
const PIECES_WAITING: usize = 1;
/// While a device sends slowly it hears so often that somebody is there.
const HERE_EVERY: Duration = Duration::from_secs(10);

/// Answers a device that brings and takes files.
pub(super) async fn files(app: &Arc<App>, caller: &Caller, body: Incoming) -> Response<Body> {
    let device = match admitted(app, caller).await {
        Ok(device) => device,
        Err(refused) => {
            tokio::spawn(passed_over(body));
            return refused;
        }
    };
    let mut questions = Questions::of(body);
    let hello = match next(&mut questions).await {
        Ok(Some(hello @ FileAsk::Hello(_))) => hello,
        Ok(Some(FileAsk::Offer(_) | FileAsk::Chunk(_) | FileAsk::Part(_) | FileAsk::Want { .. } | FileAsk::End) | None) => {
            return said(StatusCode::BAD_REQUEST, "no hello");
        }
        Err(error) => {
            tracing::warn!(device = %device.id, %error, "a question for files could not be read");
            return said(StatusCode::BAD_REQUEST, "not of this form");
        }
    };
    let (pieces, answer) = channel(PIECES_WAITING);
    // In a task of its own: what was sent is kept even if the other end goes away in mid-sentence.
    tokio::spawn(exchange(app.clone(), device, hello, questions, pieces));
    cbor(Body::Pieces(answer))
}

/// The next message that this version knows; `None` at the body's end.
async fn next(questions: &mut Questions) -> Result<Option<FileAsk>, Unread> {
    while let Some(frame) = questions.frame().await? {
        if let Some(ask) = FileAsk::read(&frame)? {
            return Ok(Some(ask));
        }
    }
    Ok(None)
}

async fn exchange(app: Arc<App>, device: Device, hello: FileAsk, questions: Questions, pieces: Sender<io::Result<Bytes>>) {
    let Ok(_place) = app.limits.exchanges.acquire().await else { return };
    let id = device.id;
    let (ask, asks) = channel(ASKS_WAITING);
    let (answers, heard) = channel(ANSWERS_WAITING);
    let service = async {
        let done = app.service.files(&device, asks, &answers).await;
        drop(answers);
        done
    };
    let (read, done, ()) = tokio::join!(ask_all(questions, hello, id, ask), service, write(heard, &pieces));
    match done {
        Ok(done) => tracing::info!(device = %id, taken = done.taken, sent = done.sent, ended = done.ended && read, "exchange of files"),
        Err(error) => {
            tracing::error!(device = %id, %error, "an exchange of files failed");
            let _ = pieces.send(Err(io::ErrorKind::Other.into())).await;
        }
    }
}

/// Hands everything on to the service. True if the body came whole.
async fn ask_all(mut questions: Questions, hello: FileAsk, device: DeviceId, asks: Sender<FileAsk>) -> bool {
    let _ = asks.send(hello).await;
    loop {
        match next(&mut questions).await {
            Ok(Some(ask)) => drop(asks.send(ask).await),
            Ok(None) => return true,
            Err(error) => {
                tracing::info!(%device, %error, "a question for files broke off");
                return false;
            }
        }
    }
}

/// Writes answers as they come.
async fn write(mut answers: Receiver<FileAnswer>, pieces: &Sender<io::Result<Bytes>>) {
    loop {
        let answer = match tokio::time::timeout(HERE_EVERY, answers.recv()).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return,
            Err(_) => FileAnswer::Here,
        };
        if pieces.send(Ok(Bytes::from(answer.write()))).await.is_err() {
            return;
        }
    }
}
