//! Headquarters of a later version answers this device: what is not known is passed over, and all else counts as ever.

use std::sync::Mutex;

use daftar_wire::message::{FrameReader, frame};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::reference::Held;
use super::simulated::{Simulated, Weather, runtime, sync, world};
use super::world::{Hq, Tablet, c, stop};
use crate::sync::{LinkError, SyncReport, Transport, run};

const END: u8 = 8;
/// Messages whose content is a map: receipt, item, verdict, end, reopened.
const MAPS: [u8; 5] = [4, 5, 6, END, 10];
/// A key and a value behind a map's last: `99: [1, "z"]`.
const UNKNOWN_PAIR: [u8; 6] = [0x18, 0x63, 0x82, 0x01, 0x61, b'z'];
/// A form of compartment that this version does not know, as CBOR text.
const LIAISON: &[u8] = b"\x6cliaison/kz-1";

/// A link at whose other end a later version speaks.
struct Newer<'a>(Simulated<'a>);

/// The answer as a later version says it, with words before it that this one does not know.
fn newer(piece: &[u8]) -> Vec<u8> {
    let mut reader = FrameReader::default();
    reader.push(piece);
    let content = reader.next().expect("a frame").expect("a whole one");
    let (byte, rest) = (content[0], &content[1..]);
    let granted = [&[0x84, 0x02][..], LIAISON, &[0xf5, 0xf5]].concat();
    let item = [&[0xa5, 0x01][..], LIAISON, &[0x02, 0x01, 0x03, 0x01, 0x04, 0x48], &[7; 8], &[0x05, 0x41, 0x00]].concat();
    let said = if MAPS.contains(&byte) { [&[rest[0] + 1], &rest[1..], &UNKNOWN_PAIR].concat() } else { rest.to_vec() };
    [
        frame(99, b"a message of a later version"),
        frame(7, &[0x82, 0x18, 0x2a, 0x01]),
        frame(7, &granted),
        frame(5, &item),
        frame(byte, &said),
    ]
    .concat()
}

impl Transport for Newer<'_> {
    async fn exchange(&self, asks: Receiver<Vec<u8>>, answers: Sender<Vec<u8>>) -> Result<(), LinkError> {
        let (said, mut heard) = channel::<Vec<u8>>(8);
        let passing = async {
            while let Some(piece) = heard.recv().await {
                if answers.send(newer(&piece)).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(self.0.exchange(asks, said), passing).0
    }

    fn counted(&self) -> (u64, u64) {
        (0, 0)
    }
}

fn sync_newer(hq: &Hq, held: &Mutex<Held>, tablet: &Tablet) -> SyncReport {
    let transport = Newer(Simulated::new(hq, held, tablet.store.device().id, Weather::default()));
    runtime().block_on(run(&tablet.store, &transport, &|_| ())).expect("an exchange with a later version finishes")
}

#[test]
fn headquarters_of_a_later_version_is_understood_as_far_as_this_one_goes() {
    let (hq, held, a, b) = world();
    for n in 0..40 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    let sent = sync_newer(&hq, &held, &a);
    assert_eq!((sent.sent_changes, sent.waiting, sent.refused), (40, 0, vec![]), "receipts count, whatever stands beside them");
    let got = sync_newer(&hq, &held, &b);
    assert_eq!((got.received_changes, got.requests), (42, 1), "feeds are followed");
    let idle = sync_newer(&hq, &held, &b);
    assert_eq!((idle.sent_changes, idle.received_changes, idle.requests), (0, 0, 1), "and nothing is asked for twice");
    let team = c("team/imt-1");
    assert_eq!(a.store.digest(&team).expect("computed"), b.store.digest(&team).expect("computed"));
    assert_eq!(b.store.compartments(), a.store.compartments(), "no compartment is made up");

    // The next exchange with a server of this version goes on from there.
    a.store.save(&stop(99, "80 B 222 CC", "Karimov")).expect("saved");
    sync(&hq, &held, &a, Weather::default()).expect("a whole link");
    let got = sync(&hq, &held, &b, Weather::default()).expect("a whole link");
    assert_eq!((got.received_changes, got.requests), (1, 1));
    assert_eq!(b.store.verify().expect("checked").bad, []);
}
