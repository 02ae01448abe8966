//! A corpus of hostile courier packs, made from a good one: for the tests of everybody who reads packs. Never asserts.

use daftar_core::ids::DeviceId;
use daftar_wire::pack::{Header, MAGIC, Purpose, Writer};
use daftar_wire::seal::SealingKey;
use daftar_wire::sign::SigningKey;
use zeroize::Zeroizing;

/// What a good pack is made of.
pub struct Good {
    pub header: Header,
    /// Its writer's key.
    pub key: SigningKey,
    /// Its one reader's.
    pub to: SealingKey,
    pub frames: Vec<u8>,
}

impl Good {
    /// The pack as its writer makes it.
    pub fn pack(&self) -> Vec<u8> {
        self.made(self.header, &self.key)
    }

    fn made(&self, header: Header, key: &SigningKey) -> Vec<u8> {
        let mut pack = Writer::new(header);
        pack.section(&[self.to], &Zeroizing::new([7; 32])).expect("a section");
        pack.put(&self.frames);
        pack.finish(key)
    }

    /// At least 200 packs that nobody may read, each with what is wrong with it.
    pub fn hostile(&self) -> Vec<(String, Vec<u8>)> {
        let good = self.pack();
        let items = items(&good);
        let mut all = Vec::new();
        for i in 0..160 {
            let at = i * (good.len() - 1) / 159;
            let mut flipped = good.clone();
            flipped[at] ^= 1 << (i % 8);
            all.push((format!("a bit of byte {at} flipped"), flipped));
        }
        let mut end = MAGIC.len();
        for (n, item) in items.iter().enumerate() {
            for cut in [end, end + 3, end + item.len() / 2] {
                all.push((format!("cut in item {n}, after {cut} bytes"), good[..cut].to_vec()));
            }
            end += item.len();
            all.extend(sizes(&items, n));
            let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
                let mut changed = items.clone();
                change(&mut changed);
                whole(&changed)
            };
            all.push((format!("item {n} doubled"), with(&|i| i.insert(n, i[n].clone()))));
            all.push((format!("item {n} left out"), with(&|i| drop(i.remove(n)))));
            all.push((format!("item {n} first"), with(&|i| i[..=n].rotate_right(1))));
            all.push((format!("item {n} after the last"), with(&|i| i[n..].rotate_left(1))));
        }
        // The first in the first place, and the last in the last, are where they belong.
        all.retain(|(_, bytes)| *bytes != good);
        all.extend(self.of_others());
        all.push(("bytes behind the signature".into(), [&good[..], b"x"].concat()));
        all.push(("two packs in one file".into(), [&good[..], &good[..]].concat()));
        all.push(("an empty file".into(), Vec::new()));
        all.push(("an archive".into(), [b"PK\x03\x04", &good[8..]].concat()));
        all.push(("another version".into(), [b"DAFTARP2", &good[8..]].concat()));
        all
    }

    fn of_others(&self) -> Vec<(String, Vec<u8>)> {
        let other = DeviceId([0xee; 16]);
        let purposes = [Purpose::Question, Purpose::Answer, Purpose::Gift].into_iter().filter(|p| *p != self.header.purpose);
        let mut all: Vec<(String, Vec<u8>)> = purposes
            .map(|purpose| (format!("its own writer says that it is {purpose:?}"), self.made(Header { purpose, ..self.header }, &self.key)))
            .collect();
        all.push(("for another device".into(), self.made(Header { reader: other, ..self.header }, &self.key)));
        all.push(("by a writer that nobody knows".into(), self.made(Header { writer: other, ..self.header }, &self.key)));
        all.push(("by its reader".into(), self.made(Header { writer: self.header.reader, ..self.header }, &self.key)));
        all.push(("signed by a stranger's key".into(), self.made(self.header, &SigningKey::from_bytes(&[0xee; 32]))));
        all
    }
}

/// An item whose length is not what it says.
fn sizes(items: &[Vec<u8>], n: usize) -> Vec<(String, Vec<u8>)> {
    let said = u32::from_be_bytes(items[n][..4].try_into().expect("four bytes"));
    let lies = [0, said - 1, said + 1, 98_304, 98_305, u32::MAX];
    lies.iter()
        .filter(|lie| **lie != said)
        .map(|lie| {
            let mut changed = items.to_vec();
            changed[n][..4].copy_from_slice(&lie.to_be_bytes());
            (format!("item {n} says that it has {lie} bytes"), whole(&changed))
        })
        .collect()
}

fn items(pack: &[u8]) -> Vec<Vec<u8>> {
    let (mut at, mut all) = (MAGIC.len(), Vec::new());
    while at < pack.len() {
        let len = 5 + u32::from_be_bytes(pack[at..at + 4].try_into().expect("four bytes")) as usize;
        all.push(pack[at..at + len].to_vec());
        at += len;
    }
    all
}

fn whole(items: &[Vec<u8>]) -> Vec<u8> {
    [&MAGIC[..], &items.concat()].concat()
}
