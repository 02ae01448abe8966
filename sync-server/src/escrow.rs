//! Takes unsent work out of a device's home to which nobody has a key any more: compartments' keys are sealed to headquarters too. What is
//! found goes the way of every exchange, with the device's own signatures, and is judged as if the device had sent it. Never writes to the home.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use daftar_core::compartment::Compartment;
use daftar_core::ids::DeviceId;
use daftar_wire::file::{Bitmap, FileAnswer, FileAsk, FileChunk};
use daftar_wire::limits::FILE_CHUNKS_MAX;
use daftar_wire::message::{Answer, Ask, Hello, Notice, Reopen};
use daftar_wire::seal;
use daftar_wire::sign::SigningKey;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::service::Service;
use crate::store::home::{Home, Sealed, UnsentFile, Vault};
use crate::store::people::{self, Device};

/// What a compartment's key is sealed for; the additional data is its file's name.
const KEY: &str = "daftar compartment key 1";
const ASKS_WAITING: usize = 4;

/// What was found of one compartment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Changes that waited in the home.
    pub waited: u64,
    /// Of those, changes that bear a signature of the device that was made only now, with its key from its keyring.
    pub signed_now: u64,
    /// Changes behind the last place that the device signed, where its key is lost: not taken.
    pub unsigned: u64,
    /// Photos and other files that waited.
    pub files: u64,
    /// Of those, files that are at headquarters now.
    pub files_taken: u64,
}

/// What was recovered.
#[derive(Debug, Default)]
pub struct Report {
    /// The device, by its name at headquarters.
    pub device: String,
    /// Its keyring was there and whole.
    pub has_keyring: bool,
    /// By compartment.
    pub compartments: BTreeMap<Compartment, Recovered>,
    /// Changes that headquarters did not have before.
    pub taken: u64,
    /// What could not be taken, in plain words.
    pub trouble: Vec<String>,
}

/// An open compartment, with the segments that are to be taken from it.
struct Opened {
    vault: Vault,
    segments: Vec<Vec<u8>>,
}

/// Opens what headquarters' keys open of a device's home, and takes in what is not here yet.
pub fn recover(hq: &Arc<Headquarters>, home: &Path) -> Result<Report> {
    let home = Home::read(home)?;
    let mut report = Report { has_keyring: home.keyring.is_some(), ..Report::default() };
    for file in home.without_key()? {
        report.trouble.push(format!("vault/{file}.db: its key is neither in the keyring nor beside it"));
    }
    let (mut device, mut opened) = (home.keyring.as_ref().map(|k| k.device), Vec::new());
    for sealed in home.files.iter().filter(|s| home.has(&s.file)) {
        match open(hq, &home, sealed) {
            Ok(vault) => {
                device.get_or_insert(vault.device()?);
                opened.push(vault);
            }
            Err(Error::Refused(why) | Error::Damaged(why)) => report.trouble.push(format!("vault/{}.db: {why}", sealed.file)),
            Err(e) => return Err(e),
        }
    }
    let Some(device) = device else {
        return Err(Error::Refused(format!("nothing in this home can be opened with headquarters' keys{}", told(&report.trouble))));
    };
    let device = known(hq, device)?;
    report.device.clone_from(&device.name);
    let signing = home.keyring.as_ref().map(|k| &k.signing).filter(|k| k.verifying_key().to_bytes() == device.signing_key);
    let opened = opened.into_iter().map(|vault| cut(vault, &device.id, signing, &mut report)).collect::<Result<Vec<_>>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let service = Service::new(hq.clone());
    let outbox = home.keyring.map(|k| k.outbox).unwrap_or_default();
    runtime.block_on(async {
        let segments = opened.iter().flat_map(|o| o.segments.iter().cloned()).map(Ask::Segment);
        exchange(&service, &device, segments.chain(outbox.into_iter().map(Ask::Sealed)).collect(), &mut report).await?;
        for Opened { vault, .. } in &opened {
            for file in vault.unsent_files()? {
                send_file(&service, &device, vault, &file, &mut report).await?;
            }
        }
        Ok::<_, Error>(())
    })?;
    report.compartments.retain(|_, r| *r != Recovered::default());
    Ok(report)
}

fn told(trouble: &[String]) -> String {
    trouble.iter().map(|t| format!("; {t}")).collect()
}

fn known(hq: &Headquarters, id: DeviceId) -> Result<Device> {
    let found = hq.store.read(|tx| people::device(tx, &id))?.filter(|d| d.id != hq.identity.device);
    found.ok_or_else(|| Error::Refused(format!("the home is that of device {id}, which is not known here")))
}

/// Opens a compartment's file with the key that was sealed to headquarters.
fn open(hq: &Headquarters, home: &Home, sealed: &Sealed) -> Result<Vault> {
    let plain = seal::open(&hq.keys.opening, KEY, sealed.file.as_bytes(), &sealed.escrow)
        .map_err(|_| Error::Refused("its key was not sealed to this headquarters".into()))?;
    let (compartment, key) = Reopen::key_of(&plain)?;
    home.vault(&sealed.file, compartment, &key)
}

/// Cuts what waits into segments.
fn cut(vault: Vault, device: &DeviceId, signing: Option<&SigningKey>, report: &mut Report) -> Result<Opened> {
    let found = report.compartments.entry(vault.compartment.clone()).or_default();
    let mut segments = Vec::new();
    for unsent in vault.unsent(device)? {
        let mut from = unsent.from;
        found.waited += unsent.last + 1 - from;
        while from <= unsent.last {
            let Some((segment, is_signed_now)) = vault.cut(&unsent, from, signing)? else {
                found.unsigned += unsent.last + 1 - from;
                break;
            };
            found.signed_now += if is_signed_now { segment.entries.len() as u64 } else { 0 };
            from = segment.last() + 1;
            segments.push(segment.write()?);
        }
    }
    if found.unsigned > 0 {
        let (n, c) = (found.unsigned, &vault.compartment);
        report
            .trouble
            .push(format!("{c}: {n} changes were not taken: the device had not signed them yet, and its key is lost; keep the copy"));
    }
    Ok(Opened { vault, segments })
}

/// One exchange in the device's name: headquarters' own service takes, judges and receipts.
async fn exchange(service: &Service, device: &Device, said: Vec<Ask>, report: &mut Report) -> Result<()> {
    let (ask, asks) = channel(ASKS_WAITING);
    let (answers, mut heard) = channel(ASKS_WAITING);
    let hello = Hello { root: [0; 16], officers: Vec::new(), cursors: Vec::new(), budget: None, lineage: None, begun: Vec::new() };
    let asking = async move {
        for one in [Ask::Hello(hello)].into_iter().chain(said).chain([Ask::End]) {
            if ask.send(one).await.is_err() {
                return;
            }
        }
    };
    let serving = async {
        let done = service.sync(device, asks, &answers).await;
        drop(answers);
        done
    };
    let trouble = &mut report.trouble;
    let hearing = async {
        while let Some(answer) = heard.recv().await {
            if let Answer::Notice(Notice::Refused { stream, first, reason }) = answer {
                trouble.push(format!("{}: changes from {first} on were refused ({reason})", stream.compartment));
            }
        }
    };
    let ((), done, ()) = tokio::join!(asking, serving, hearing);
    report.taken = done?.taken;
    Ok(())
}

/// Offers one file and sends of it what headquarters lacks.
async fn send_file(service: &Service, device: &Device, vault: &Vault, file: &UnsentFile, report: &mut Report) -> Result<()> {
    let name = &file.manifest.file;
    let (ask, asks) = channel(ASKS_WAITING);
    // Each chunk may be answered, and nobody listens while they are sent.
    let (answers, heard) = channel(FILE_CHUNKS_MAX as usize + ASKS_WAITING);
    let serving = async {
        let done = service.files(device, asks, &answers).await;
        drop(answers);
        done
    };
    let (done, left) = tokio::join!(serving, offer(vault, file, ask, heard));
    done?;
    let found = report.compartments.entry(name.compartment.clone()).or_default();
    found.files += 1;
    match left? {
        None => found.files_taken += 1,
        Some(why) => report.trouble.push(format!("{}: file {} was not taken: {why}", name.compartment, name.sha256)),
    }
    Ok(())
}

/// The device's half of an exchange of one file; why it was not taken.
async fn offer(vault: &Vault, file: &UnsentFile, ask: Sender<FileAsk>, mut heard: Receiver<FileAnswer>) -> Result<Option<String>> {
    let name = &file.manifest.file;
    let Some(mut chest) = vault.open_file(file)? else { return Ok(Some("its bytes are not in the home".into())) };
    let _ = ask.send(FileAsk::Offer(file.manifest.clone())).await;
    while let Some(answer) = heard.recv().await {
        match answer {
            FileAnswer::Held { held, .. } => {
                let held = held.and_then(|bits| Bitmap::read(file.manifest.count(), &bits));
                for index in held.iter().flat_map(Bitmap::missing) {
                    let Some(bytes) = chest.read(index)? else { return Ok(Some("a part of it is damaged".into())) };
                    let _ = ask.send(FileAsk::Chunk(FileChunk { file: name.clone(), index, bytes })).await;
                }
            }
            FileAnswer::Receipt(_) => return Ok(None),
            FileAnswer::Missing(_) => return Ok(Some("nobody on that device writes there".into())),
            FileAnswer::Refused { reason, .. } => return Ok(Some(reason)),
            FileAnswer::Offer(_) | FileAnswer::Chunk(_) | FileAnswer::Part(_) | FileAnswer::Here | FileAnswer::End => {}
        }
    }
    Ok(Some("headquarters broke off".into()))
}
