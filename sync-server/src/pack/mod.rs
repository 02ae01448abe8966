//! Courier packs at headquarters: a question is verified, taken by the same service as an exchange, and answered by a pack. Never judges what is
//! in it, and never looks into one whose signature does not hold.

mod file;
mod files;
mod thumbnails;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use daftar_core::ids::OfficerId;
use daftar_wire::limits::PACK_FRAMES_BYTES_MAX;
use daftar_wire::message::{Answer, Ask, FrameReader, Hello};
use daftar_wire::pack::{BlockError, Blocks, Header, Opened, Purpose, Reader, Verifier, Writer};
use daftar_wire::sign::verifying_key;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::random::random;
use crate::service::{Exchanged, Road, Service};
use crate::store::meta;
use crate::store::people::{self, Device};

use file::{Made, Written};
use files::Files;
use thumbnails::Named;

pub use daftar_wire::limits::PACK_FILES_BYTES_MAX;

/// Messages between a pack and the service.
const WAITING: usize = 8;

/// What a question came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Who asked.
    pub device: Device,
    /// When the question was written, by the device's clock, in milliseconds of UTC.
    pub written_ms: u64,
    /// Changes that were taken.
    pub taken: u64,
    /// Files of the device that are here whole.
    pub files: u64,
    /// Files of the device of which a part is here.
    pub files_part: u64,
    /// Entries of feeds in the answer.
    pub sent: u64,
    /// Bytes of the answer.
    pub bytes: u64,
}

/// How far a question is read: bytes so far, and in all; each counts in both passes.
pub type Told<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// Reads a question and writes its answer to `out`, with files in at most so many bytes. Works beside a running server. `replace`: a file that
/// stands there may go.
pub async fn answer(
    service: &Arc<Service>,
    question: &Path,
    out: &Path,
    replace: bool,
    files_bytes_max: u64,
    told: Told<'_>,
) -> Result<Answered> {
    let hq = service.hq().clone();
    let made = Made::check(out, replace)?;
    let mut blocks = file::open(question)?;
    let (header, device) = verified(&hq, &mut blocks, told)?;
    let mut asked = Asked { blocks, reader: Reader::new(vec![hq.keys.opening.clone()]), frames: FrameReader::default() };
    let hello = asked.hello()?;
    // An answer is sealed to one: whoever wrote the question was unlocked.
    let [officer] = hello.officers[..] else {
        return Err(Error::Refused("this pack does not name the one officer who wrote it, so nobody could read its answer".into()));
    };
    let (answers, said) = channel(WAITING);
    let reply = Reply { hq: hq.clone(), device: device.clone(), officer };
    let writing: JoinHandle<Result<Written>> = tokio::task::spawn_blocking(move || reply.write(said, made));
    let to = To { device: &device, officer, room: files_bytes_max };
    let done = said_and_done(service, &to, (asked, hello), answers, told).await;
    let written = writing.await.map_err(Error::stopped)?;
    service.keep_contacts()?;
    let (written, (done, files)) = (written?, done?);
    if !done.ended {
        return Err(Error::Refused(
            "the question has no end: what stands in it was taken, and there is no answer; have it written again".into(),
        ));
    }
    let bytes = written.keep()?;
    let (taken, sent) = (done.taken, done.sent);
    tracing::info!(device = %device.id, taken, sent, ?files, "a courier pack was taken and answered");
    Ok(Answered { device, written_ms: header.at_ms, taken, files: files.whole, files_part: files.parts, sent, bytes })
}

/// To whom an answer goes.
struct To<'a> {
    device: &'a Device,
    /// It is sealed to him.
    officer: OfficerId,
    /// Bytes of files that it may bring.
    room: u64,
}

/// Takes all of a question, records first, and has it answered. What the exchange came to, and what became of the question's files.
async fn said_and_done(
    service: &Arc<Service>,
    to: &To<'_>,
    (asked, hello): (Asked, Hello),
    answers: Sender<Answer>,
    told: Told<'_>,
) -> Result<(Exchanged, Files)> {
    let (asks, questions) = channel(WAITING);
    let (exchanged, heard) = channel(WAITING);
    let (asking, done, (end, named)) = tokio::join!(
        asked.ask_all(hello, asks, told),
        async {
            let done = service.exchange(to.device, questions, &exchanged, Road::Pack).await;
            drop(exchanged);
            done
        },
        until_end(heard, &answers),
    );
    let (asked, done) = (asking?, done?);
    // Behind the records, and whatever became of them: the answer ends when this is answered too.
    let files = files::take(service, to, asked, named, &answers, told).await?;
    if let Some(end) = end {
        let _ = answers.send(end).await;
    }
    Ok((done, files))
}

/// Passes on what is said, but for its end; and which thumbnails its records name.
async fn until_end(mut heard: Receiver<Answer>, answers: &Sender<Answer>) -> (Option<Answer>, Named) {
    let (mut end, mut named) = (None, Named::default());
    while let Some(answer) = heard.recv().await {
        if matches!(answer, Answer::End(_)) {
            end = Some(answer);
            continue;
        }
        named.hear(&answer);
        if answers.send(answer).await.is_err() {
            return (None, named);
        }
    }
    (end, named)
}

/// Checks the signature over the whole file by the key of the device that says to have written it.
fn verified(hq: &Headquarters, blocks: &mut Blocks<File>, told: Told<'_>) -> Result<(Header, Device)> {
    let (mut verifier, mut device) = (Verifier::default(), None);
    while blocks.first(&mut verifier).map_err(refused)? {
        if let (None, Some(header)) = (&device, verifier.header()) {
            device = Some(writer(hq, header)?);
        }
        let (bytes, of) = blocks.progress();
        told(bytes, of);
    }
    let device = device.ok_or_else(|| Error::Refused(broken("it was cut")))?;
    let header = verifier.finish(&verifying_key(&device.signing_key)?).map_err(|e| Error::Refused(broken(&e.to_string())))?;
    Ok((header, device))
}

/// Whose key is to be asked for, and whether the pack is for us at all.
fn writer(hq: &Headquarters, header: &Header) -> Result<Device> {
    let named = |id| hq.store.read(|tx| people::device(tx, id));
    let name = |d: Option<Device>, id| d.map_or_else(|| format!("device {id}"), |d| format!("device {} ({id})", d.name));
    match header.purpose {
        Purpose::Question => {}
        Purpose::Answer => {
            let to = name(named(&header.reader)?, &header.reader);
            return Err(Error::Refused(format!("this pack is headquarters' answer to {to}: it is to be read there")));
        }
        Purpose::Gift => {
            let to = name(named(&header.reader)?, &header.reader);
            return Err(Error::Refused(format!("this pack is one device's gift to {to}: it is to be read there")));
        }
    }
    if header.reader != hq.identity.device {
        return Err(Error::Refused("this pack is for another headquarters".into()));
    }
    let device = named(&header.writer)?.filter(|d| d.id != hq.identity.device);
    device.ok_or_else(|| {
        Error::Refused(format!("this pack says that device {} wrote it, and no such device is enrolled here", header.writer))
    })
}

fn broken(why: &str) -> String {
    format!("this is no courier pack, or it was cut or changed on the way ({why}); nothing of it was taken")
}

fn refused(e: BlockError) -> Error {
    match e {
        BlockError::File(e) => e.into(),
        BlockError::Pack(e) => Error::Refused(broken(&e.to_string())),
    }
}

/// A question in its second pass.
struct Asked {
    blocks: Blocks<File>,
    reader: Reader,
    frames: FrameReader,
}

impl Asked {
    /// The next message that this version knows; `None` at the end of the file.
    fn next(&mut self) -> Result<Option<Ask>> {
        let bad = |e: daftar_wire::WireError| {
            Error::Refused(format!("the device's own words cannot be read ({e}); what stands before was taken"))
        };
        loop {
            while let Some(frame) = self.frames.next().map_err(bad)? {
                if let Some(ask) = Ask::read(&frame).map_err(bad)? {
                    return Ok(Some(ask));
                }
            }
            let Some(block) = self.blocks.again().map_err(refused)? else { return Ok(None) };
            for opened in self.reader.push(block).map_err(bad)? {
                match opened {
                    Opened::Section { number: 0, by: Some(_) } => {}
                    Opened::Section { .. } => {
                        return Err(Error::Refused("this pack is sealed to another key than headquarters'".into()));
                    }
                    Opened::Frames(bytes) => self.frames.push(&bytes),
                }
            }
        }
    }

    fn hello(&mut self) -> Result<Hello> {
        match self.next()? {
            Some(Ask::Hello(hello)) => Ok(Hello { budget: Some(hello.budget.unwrap_or(u64::MAX).min(PACK_FRAMES_BYTES_MAX)), ..hello }),
            Some(_) | None => Err(Error::Refused("this pack does not begin as a question does; nothing of it was taken".into())),
        }
    }

    /// Hands everything on to the service, up to the end.
    async fn ask_all(mut self, hello: Hello, asks: Sender<Ask>, told: Told<'_>) -> Result<Self> {
        let mut next = Some(Ask::Hello(hello));
        while let Some(ask) = next {
            let is_end = matches!(ask, Ask::End);
            // Who listens no more has heard the end.
            let _ = asks.send(ask).await;
            if is_end {
                break;
            }
            (self, next) = self.read_on(told).await?;
        }
        Ok(self)
    }

    async fn read_on(mut self, told: Told<'_>) -> Result<(Self, Option<Ask>)> {
        let (back, asked) = tokio::task::spawn_blocking(move || {
            let asked = self.next();
            (self, asked)
        })
        .await
        .map_err(Error::stopped)?;
        let (bytes, of) = back.blocks.progress();
        told(bytes, of);
        Ok((back, asked?))
    }
}

/// Who is answered.
struct Reply {
    hq: Arc<Headquarters>,
    device: Device,
    officer: OfficerId,
}

impl Reply {
    /// Writes what is said, sealed to the officer, and signs it. It takes its place only when it is kept.
    fn write(self, mut said: Receiver<Answer>, made: Made) -> Result<Written> {
        let first = said.blocking_recv();
        // Only now: who was let in without a link is known by the question itself.
        let (keys, life) = self.hq.store.read(|tx| Ok((people::officer_keys(tx, &self.device.id, &self.officer)?, meta::life(tx)?)))?;
        let keys = keys.ok_or_else(|| {
            Error::Refused(format!(
                "officer {} is not enrolled on device {}: what stands in the pack was taken, and nobody could read an answer",
                self.officer, self.device.name
            ))
        })?;
        let header = Header {
            purpose: Purpose::Answer,
            writer: self.hq.identity.device,
            reader: self.device.id,
            at_ms: self.hq.clock.now_ms(),
            id: random()?,
            officer: Some(self.officer),
            epoch: Some(life.epoch),
        };
        let mut pack = Writer::new(header);
        pack.section(&[keys.sealing_key], &Zeroizing::new(random()?))?;
        let mut file = made.begin()?;
        let mut next = first;
        while let Some(answer) = next {
            pack.put(&answer.write());
            file.put(&pack.take())?;
            next = said.blocking_recv();
        }
        file.put(&pack.finish(&self.hq.keys.signing))?;
        Ok(file)
    }
}
