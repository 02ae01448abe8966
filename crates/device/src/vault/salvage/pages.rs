//! A SQLCipher file read page by page, past SQLite: what stands on one page is found whatever became of the others. Never writes, and
//! vouches for nothing: whoever asks checks what he is given.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use aes::Aes256Dec;
use aes::cipher::{BlockCipherDecrypt, KeyInit};
use hmac::{Hmac, Mac};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::home::log_of;

use super::cells::{self, Row};

/// SQLCipher 4 as this program uses it: pages of 4 KiB, each ending with its IV and its HMAC-SHA-512.
pub(super) const PAGE_BYTES: usize = 4096;
const IV_BYTES: usize = 16;
const MAC_BYTES: usize = 64;
/// What of a page is SQLite's.
pub(super) const USABLE_BYTES: usize = PAGE_BYTES - IV_BYTES - MAC_BYTES;
/// The file begins with this much salt, in clear, in place of SQLite's own first bytes.
const SALT_BYTES: usize = 16;
/// The key of the HMACs comes from the file's key by so many rounds, with a salt in which these bits are turned.
const MAC_ROUNDS: usize = 2;
const MAC_SALT_MASK: u8 = 0x3a;
/// A write-ahead log's own header, and that of each frame in it.
const LOG_HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: u64 = 24;
/// No row of ours is larger; a length that says more is damage.
pub(super) const ROW_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A page as it stood at some time.
pub(super) struct Page {
    pub(super) number: u32,
    /// Decrypted, without IV and HMAC.
    pub(super) bytes: Vec<u8>,
    /// Its HMAC holds: every byte is as it was written.
    pub(super) is_intact: bool,
}

/// What was looked through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Pages of the file.
    pub(super) pages: u64,
    /// Of those, so many are not what was written.
    pub(super) broken: u64,
}

/// A file and its write-ahead log, open to be read.
pub(super) struct Damaged {
    main: File,
    pages: u32,
    log: Option<File>,
    /// Committed frames of the log in their order: page, and where its bytes begin.
    frames: Vec<(u32, u64)>,
    latest: HashMap<u32, u64>,
    cipher: Aes256Dec,
    mac_key: Zeroizing<[u8; 32]>,
}

impl Damaged {
    /// Opens a file to be read; `None`: there is none.
    pub(super) fn open(path: &Path, key: &[u8; 32]) -> Result<Option<Self>> {
        let mut main = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let pages = u32::try_from(main.metadata()?.len().div_ceil(PAGE_BYTES as u64)).unwrap_or(u32::MAX);
        let mut log = match File::open(log_of(path)) {
            Ok(file) => Some(file),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(e.into()),
        };
        let frames = log.as_mut().map(frames).transpose()?.unwrap_or_default();
        let latest = frames.iter().copied().collect();
        let mut salt = [0; SALT_BYTES];
        read_up_to(&mut main, 0, &mut salt)?;
        let cipher = Aes256Dec::new(key.into());
        Ok(Some(Self { main, pages, log, frames, latest, cipher, mac_key: mac_key(key, &salt) }))
    }

    /// Gives every row that can be made out of any page, those of earlier states of a page before those of later ones.
    pub(super) fn rows(&mut self, each: &mut dyn FnMut(Row)) -> Result<Seen> {
        let mut seen = Seen::default();
        for number in 1..=self.pages {
            let page = self.of_main(number)?;
            let is_last = !self.latest.contains_key(&number);
            seen.pages += 1;
            seen.broken += u64::from(is_last && !page.is_intact && page.bytes.iter().any(|b| *b != 0));
            cells::of_page(self, &page, each)?;
        }
        for i in 0..self.frames.len() {
            let (number, at) = self.frames[i];
            let page = self.of_log(number, at)?;
            let is_last = self.latest.get(&number) == Some(&at);
            seen.pages += u64::from(is_last && number > self.pages);
            seen.broken += u64::from(is_last && !page.is_intact);
            cells::of_page(self, &page, each)?;
        }
        Ok(seen)
    }

    /// A page as it stands, to follow a long row: from the log if it is there and whole.
    pub(super) fn page(&mut self, number: u32) -> Result<Option<Page>> {
        let in_log = match self.latest.get(&number).copied() {
            Some(at) => Some(self.of_log(number, at)?),
            None => None,
        };
        if in_log.as_ref().is_some_and(|p| p.is_intact) || !(1..=self.pages).contains(&number) {
            return Ok(in_log);
        }
        let page = self.of_main(number)?;
        Ok(if page.is_intact { Some(page) } else { in_log.or(Some(page)) })
    }

    fn of_main(&mut self, number: u32) -> Result<Page> {
        let mut raw = vec![0; PAGE_BYTES];
        read_up_to(&mut self.main, u64::from(number - 1) * PAGE_BYTES as u64, &mut raw)?;
        Ok(self.opened(number, &raw))
    }

    fn of_log(&mut self, number: u32, at: u64) -> Result<Page> {
        let mut raw = vec![0; PAGE_BYTES];
        if let Some(log) = &mut self.log {
            read_up_to(log, at, &mut raw)?;
        }
        Ok(self.opened(number, &raw))
    }

    /// AES-256 in CBC mode; the HMAC is over all but itself, and the page's number.
    fn opened(&self, number: u32, raw: &[u8]) -> Page {
        let from = if number == 1 { SALT_BYTES } else { 0 };
        let mut bytes = vec![0; from];
        if raw.iter().all(|b| *b == 0) {
            return Page { number, bytes: vec![0; USABLE_BYTES], is_intact: false };
        }
        let mut before = &raw[USABLE_BYTES..USABLE_BYTES + IV_BYTES];
        for sealed in raw[from..USABLE_BYTES].chunks_exact(IV_BYTES) {
            let mut block = aes::Block::default();
            block.copy_from_slice(sealed);
            self.cipher.decrypt_block(&mut block);
            bytes.extend(block.iter().zip(before).map(|(a, b)| a ^ b));
            before = sealed;
        }
        let mut mac = Hmac::<Sha512>::new_from_slice(&*self.mac_key).expect("HMAC takes a key of any length");
        mac.update(&raw[from..USABLE_BYTES + IV_BYTES]);
        mac.update(&number.to_le_bytes());
        Page { number, bytes, is_intact: mac.verify_slice(&raw[USABLE_BYTES + IV_BYTES..]).is_ok() }
    }
}

/// The committed frames of a log, whatever their checksums say: one that is damaged must not hide those after it.
fn frames(log: &mut File) -> Result<Vec<(u32, u64)>> {
    let mut header = [0; LOG_HEADER_BYTES as usize];
    let len = log.metadata()?.len();
    read_up_to(log, 0, &mut header)?;
    let mut salt: [u8; 8] = header[16..24].try_into().expect("eight of them");
    let step = FRAME_HEADER_BYTES + PAGE_BYTES as u64;
    let mut all = Vec::new();
    for at in (LOG_HEADER_BYTES..).step_by(step as usize).take_while(|at| at + step <= len) {
        let mut frame = [0; FRAME_HEADER_BYTES as usize];
        read_up_to(log, at, &mut frame)?;
        let word = |i: usize| u32::from_be_bytes(frame[i..i + 4].try_into().expect("four of them"));
        all.push((word(0), word(4) != 0, <[u8; 8]>::try_from(&frame[8..16]).expect("eight of them"), at + FRAME_HEADER_BYTES));
    }
    // Where the log's own header is the damaged place, its first frame says which frames are of its present round.
    if !all.iter().any(|f| f.2 == salt) {
        salt = all.first().map_or(salt, |f| f.2);
    }
    let last = all.iter().rposition(|f| f.2 == salt && f.1).map_or(0, |i| i + 1);
    // A frame whose own header is damaged stands between others of the round, and is taken for one of it.
    Ok(all[..last].iter().filter(|f| f.0 > 0).map(|f| (f.0, f.3)).collect())
}

fn mac_key(key: &[u8; 32], salt: &[u8; SALT_BYTES]) -> Zeroizing<[u8; 32]> {
    let keyed = |parts: &[&[u8]]| -> [u8; 64] {
        let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes a key of any length");
        parts.iter().for_each(|p| mac.update(p));
        mac.finalize().into_bytes().into()
    };
    let salt = salt.map(|b| b ^ MAC_SALT_MASK);
    let mut round = keyed(&[&salt, &1u32.to_be_bytes()]);
    let mut sum = round;
    for _ in 1..MAC_ROUNDS {
        round = keyed(&[&round]);
        sum.iter_mut().zip(round).for_each(|(a, b)| *a ^= b);
    }
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(&sum[..32]);
    out
}

/// Reads what there is; what is beyond the end stays zero.
fn read_up_to(file: &mut File, at: u64, into: &mut [u8]) -> Result<()> {
    file.seek(SeekFrom::Start(at))?;
    let mut done = 0;
    while done < into.len() {
        match file.read(&mut into[done..])? {
            0 => break,
            n => done += n,
        }
    }
    Ok(())
}
