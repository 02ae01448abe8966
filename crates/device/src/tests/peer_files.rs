//! Claims about photos between two devices with no server between: they follow the records, both ways, to those alone who may see them, and go
//! on where they were cut.

use std::io::Cursor;

use daftar_core::ids::FileHash;
use daftar_wire::file::{FileAnswer, FileAsk, FileId};
use daftar_wire::limits::FILE_CHUNKS_MAX;
use daftar_wire::message::{FrameReader, Hello, PeerMessage};
use tokio::sync::mpsc::channel;

use super::files::{about, attach, file, manifest, png, read, receipt};
use super::peer::{WHOLE, meet, two, whole};
use super::share::{may, tell};
use super::world::{Tablet, c, id, officer_id, stop, stop_in};
use crate::peer::exchange::{End, exchange};
use crate::peer::{Cut, Exchanged, PeerError, PeerReport};

const TEAM: &str = "team/imt-1";
const AGENCY: &str = "agency/moi/imt-1";

fn photo(t: &Tablet, n: u8, side: u32) -> FileHash {
    t.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    attach(t, n, &png(n, side)).expect("attached").file.sha256
}

fn files_of(r: &PeerReport) -> (u64, u64, u64) {
    (r.sent_files, r.received_files, r.refused)
}

#[test]
fn photos_follow_the_records_between_devices_both_ways_and_wait_for_headquarters_at_both() {
    let (hq, a, b) = two();
    for t in [&a, &b] {
        tell(&hq, t, &[(AGENCY, vec![may(1)])]);
    }
    let (large, small) = (photo(&a, 1, 700), photo(&b, 2, 300));
    a.store.save(&stop_in(AGENCY, 3, "80 B 222 CC", "Karimov")).expect("saved");
    a.store.attach(&c(AGENCY), &id(3), &mut Cursor::new(png(3, 200)), &about("note.png")).expect("attached");
    let met = whole(meet(&a, &b, WHOLE));
    assert_eq!(met.each_ref().map(files_of), [(1, 1, 0); 2], "{met:?}");
    assert_eq!((read(&b, &large).expect("here"), read(&a, &small).expect("here")), (png(1, 700), png(2, 300)));
    let thumbnail = b.store.file_states(&c(TEAM), &id(1)).expect("read")[0].thumbnail;
    assert!(thumbnail.is_some(), "with its thumbnail, although it is larger than what a link brings unasked");
    let waits = [&a, &b].map(|t| t.store.files_waiting().expect("counted"));
    assert_eq!(waits, [6, 4], "either brings them to headquarters; another agency's stay where they were");
    // One hears from headquarters, and hands its word on.
    b.store.files_receipted(&receipt(&hq, 7, &[large, small])).expect("kept");
    let idle = whole(meet(&b, &a, WHOLE));
    assert_eq!(idle.each_ref().map(files_of), [(0, 0, 0); 2]);
    assert_eq!(idle.each_ref().map(|r| r.receipted_files), [0, 2]);
    assert!(a.store.file_states(&c(TEAM), &id(1)).expect("read")[0].at_hq_ms.is_some());
}

#[test]
fn photos_between_devices_that_are_cut_at_any_place_go_on_from_there() {
    let (_hq, a, b) = two();
    let name = photo(&a, 1, 700);
    let bytes = meet(&a, &b, [Cut::Bytes(200_000), Cut::Never]).carried;
    assert_eq!(bytes[0], 200_000);
    let chunks_here = || b.store.file_states(&c(TEAM), &id(1)).expect("read")[0].chunks_here;
    let mut before = chunks_here();
    for at in [400_000, 700_000] {
        let [asked, _] = meet(&a, &b, [Cut::Bytes(at), Cut::Never]).ends;
        assert!(matches!(asked, Err(PeerError::Cut)), "{asked:?}");
        assert!(chunks_here() > before, "what came before the cut does not go again");
        before = chunks_here();
    }
    let Exchanged { ends, carried: bytes } = meet(&b, &a, WHOLE);
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
    assert!(bytes[1] < 1_000_000, "only the rest: {bytes:?}");
    assert_eq!(read(&b, &name).expect("here"), png(1, 700));
    assert_eq!(b.store.verify().expect("checked").bad, []);
}

/// Has a device talk to one that says exactly this before its end; what it reports and what it said.
fn talk(t: &Tablet, to: &Tablet, said: Vec<PeerMessage>) -> (PeerReport, Vec<PeerMessage>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let with = t.store.other_device(&to.store.device().id).expect("read").expect("known");
        let ((out, mut heard), (tell, bytes)) = (channel::<Vec<u8>>(4), channel(4));
        let hello =
            Hello { root: [0; 16], officers: vec![officer_id(2)], cursors: Vec::new(), budget: None, lineage: None, begun: Vec::new() };
        let telling = async {
            for m in [PeerMessage::Hello(hello)].into_iter().chain(said) {
                let _ = tell.send(m.write()).await;
            }
            let (mut frames, mut all) = (FrameReader::default(), Vec::new());
            while let Some(piece) = heard.recv().await {
                frames.push(&piece);
                while let Some(f) = frames.next().expect("whole frames") {
                    all.extend(PeerMessage::read(&f).expect("of the protocol"));
                }
            }
            let _ = tell.send(PeerMessage::End.write()).await;
            drop(tell);
            all
        };
        let (report, all) = tokio::join!(exchange(&t.store, &with, End::Asks, out, bytes, &|_| {}), telling);
        (report.expect("a whole exchange"), all)
    })
}

fn ask(ask: &FileAsk) -> PeerMessage {
    PeerMessage::File(ask.word())
}

fn want(file: FileId) -> PeerMessage {
    ask(&FileAsk::Want { file, held: None, chunks_max: FILE_CHUNKS_MAX, begun: None })
}

#[test]
fn a_device_of_the_version_before_is_told_records_and_no_word_about_files_is_waited_for() {
    let (_hq, a, b) = two();
    photo(&a, 1, 200);
    let (report, said) = talk(&a, &b, vec![PeerMessage::Listed]);
    assert_eq!(files_of(&report), (0, 0, 0));
    assert_eq!(said.last(), Some(&PeerMessage::End));
    assert!(!said.contains(&PeerMessage::Given));
}

#[test]
fn a_device_that_asks_for_what_is_not_its_officers_is_told_that_it_is_missing_and_what_nobody_asked_for_is_not_taken() {
    let (hq, a, b) = two();
    tell(&hq, &a, &[(AGENCY, vec![may(1)])]);
    let name = photo(&a, 1, 200);
    a.store.save(&stop_in(AGENCY, 3, "80 B 222 CC", "Karimov")).expect("saved");
    let note = a.store.attach(&c(AGENCY), &id(3), &mut Cursor::new(png(3, 200)), &about("note.png")).expect("attached").file;
    let draft = a.store.keep_draft_file(&c(TEAM), &mut Cursor::new(png(4, 200))).expect("kept");
    let not_theirs = FileId { compartment: c(AGENCY), sha256: note.sha256 };
    let not_here = FileId { compartment: c(AGENCY), sha256: FileHash([9; 32]) };
    let (unasked, chunks) = manifest(b"nobody asked");
    let tells = |told: FileAnswer| PeerMessage::File(told.word());
    let said = vec![
        ask(&FileAsk::Hello(vec![officer_id(2)])),
        PeerMessage::Listed,
        PeerMessage::Given,
        want(not_theirs.clone()),
        want(not_here.clone()),
        want(file(draft.sha256)),
        want(file(name)),
        tells(FileAnswer::Offer(unasked)),
        tells(FileAnswer::Chunk(chunks[0].clone())),
        PeerMessage::File(vec![4, 0xff]),
        ask(&FileAsk::End),
    ];
    let (report, said) = talk(&a, &b, said);
    assert_eq!(files_of(&report), (1, 0, 3));
    let told: Vec<FileAnswer> = said
        .iter()
        .filter_map(|m| if let PeerMessage::File(word) = m { FileAnswer::read(word).expect("readable") } else { None })
        .filter(|told| *told != FileAnswer::End)
        .collect();
    let missing = [not_theirs, not_here, file(draft.sha256)].map(FileAnswer::Missing);
    assert_eq!(told[..3], missing, "of all that is not theirs one thing is said");
    assert!(matches!(&told[3], FileAnswer::Offer(m) if m.file == file(name)));
    assert_eq!(told.len(), 5, "{}", told.len());
}
