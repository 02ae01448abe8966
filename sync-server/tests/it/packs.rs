//! Claims about courier packs at headquarters: what is refused before it is read, and that late, doubled and lost ones change nothing.

use std::path::{Path, PathBuf};

use daftar_core::authorize::Role;
use daftar_core::compartment::Agency;
use daftar_core::ids::OfficerId;
use daftar_sync_server::pack::{self, Answered, PACK_FILES_BYTES_MAX};
use daftar_wire::message::{Answer, Ask, FrameReader, Hello, Notice, Purged, frame};
use daftar_wire::pack::{Header, Opened, Purpose, Reader};

use crate::support::{Device, NOW_MS, World, c, end, held, notices, segments};

#[path = "../../../crates/wire/tests/support/hostile.rs"]
pub mod hostile;

use hostile::Good;

const TEAM: &str = "team/imt-1";

/// A device's question, with anything between hello and end.
fn question(world: &World, device: &Device, officers: Vec<OfficerId>, said: Vec<Ask>) -> Good {
    let header = Header {
        purpose: Purpose::Question,
        writer: device.enrolled.device,
        reader: device.enrolled.server,
        at_ms: NOW_MS,
        id: [3; 16],
        officer: None,
        epoch: None,
    };
    let hello = Hello { root: [0; 16], officers, cursors: device.cursors.clone(), budget: None, lineage: None, begun: Vec::new() };
    let all = [Ask::Hello(hello)].into_iter().chain(said).chain([Ask::End]);
    Good { header, key: device.keys.signing.clone(), to: world.hq.keys.sealing, frames: all.flat_map(|a| a.write()).collect() }
}

pub fn mine(world: &World, device: &Device, said: Vec<Ask>) -> Good {
    question(world, device, vec![device.enrolled.officer], said)
}

/// A stick, and what is read from it and written to it.
pub struct Stick(tempfile::TempDir);

impl Stick {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn out(&self) -> PathBuf {
        self.0.path().join("answer")
    }

    pub async fn ask(&self, world: &World, pack: &[u8]) -> Result<Answered, String> {
        self.ask_within(world, pack, PACK_FILES_BYTES_MAX).await
    }

    /// The same, with files in at most so many bytes.
    pub async fn ask_within(&self, world: &World, pack: &[u8], files_bytes_max: u64) -> Result<Answered, String> {
        let question = self.0.path().join("question");
        std::fs::write(&question, pack).expect("written");
        pack::answer(&world.service, &question, &self.out(), true, files_bytes_max, &|_, _| {}).await.map_err(|e| e.to_string())
    }

    /// What the answer says to the device's officer.
    pub fn said(&self, device: &Device) -> Vec<Answer> {
        let bytes = std::fs::read(self.out()).expect("an answer");
        let mut reader = Reader::new(vec![device.keys.opening.clone()]);
        let (mut frames, mut by_officer) = (FrameReader::default(), false);
        for opened in reader.push(&bytes).expect("a pack") {
            match opened {
                Opened::Section { number: _, by } => by_officer |= by.is_some(),
                Opened::Frames(bytes) => frames.push(&bytes),
            }
        }
        assert!(by_officer, "the answer is sealed to another");
        let mut said = Vec::new();
        while let Some(f) = frames.next().expect("whole frames") {
            said.extend(Answer::read(&f).expect("of the protocol"));
        }
        said
    }
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(files(&path));
        } else if path.extension().is_none_or(|e| e != "db-shm") {
            out.push((path.clone(), std::fs::read(&path).expect("readable")));
        }
    }
    out.sort();
    out
}

pub fn segment(device: &mut Device, count: usize) -> Ask {
    Ask::Segment(device.write(TEAM, count).write().expect("a segment"))
}

#[tokio::test]
async fn a_hostile_pack_is_refused_before_it_is_read_and_changes_nothing_at_headquarters() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let said = segment(&mut device, 3);
    let mut good = mine(&world, &device, vec![said]);
    (0..3).for_each(|_| good.frames.extend(frame(200, &[0x5a; 70_000])));
    let hostile = good.hostile();
    assert!(hostile.len() >= 200, "only {} hostile packs", hostile.len());
    let stick = Stick::new();
    let before = files(world.folder.path());
    for (what, bytes) in &hostile {
        let refused = stick.ask(&world, bytes).await.expect_err(what);
        assert!(!refused.is_empty() && !stick.out().exists(), "{what}: {refused}");
    }
    assert!(files(world.folder.path()) == before, "a hostile pack left something on the disk");
    assert_eq!(stick.ask(&world, &good.pack()).await.expect("the good one is read").taken, 3);
}

#[tokio::test]
async fn a_question_read_twice_late_or_whose_answer_was_lost_is_taken_once_and_receipted_each_time() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let other = world.device("b", "imt-1").await;
    let (one, two) = (segment(&mut device, 3), segment(&mut device, 2));
    let early = mine(&world, &device, vec![one.clone()]).pack();
    let late = mine(&world, &device, vec![one, two]).pack();
    let stick = Stick::new();
    for (pack, taken) in [(&late, 5), (&late, 0), (&early, 0), (&late, 0)] {
        assert_eq!(stick.ask(&world, pack).await.expect("taken").taken, taken);
        let said = stick.said(&device);
        let up_to = held(&said, &device.stream(TEAM)).expect("a receipt").0;
        assert!(up_to >= if pack == &late { 5 } else { 3 }, "what is held is receipted again");
        end(&said);
    }
    // The same by a link: nothing new, and a link's root was not disturbed.
    let seen = world.exchange(&other, other.hello(), &[]).await;
    assert_eq!(
        segments(&seen, TEAM).iter().filter(|s| s.stream.device == device.enrolled.device).map(|s| s.entries.len()).sum::<usize>(),
        5
    );
}

#[tokio::test]
async fn an_answer_brings_only_what_lies_beyond_the_question_and_its_cursors_say_no_more() {
    let world = World::new();
    let mut writer = world.device("a", "imt-1").await;
    let mut reader = world.device("b", "imt-1").await;
    let first = segment(&mut writer, 3);
    world.say(&writer, writer.hello(), vec![first]).await;
    let seen = world.exchange(&reader, reader.hello(), &[]).await;
    reader.confirm(end(&seen));
    let stick = Stick::new();
    stick.ask(&world, &mine(&world, &reader, Vec::new()).pack()).await.expect("taken");
    let said = stick.said(&reader);
    assert!(segments(&said, TEAM).is_empty() && end(&said).cursors.is_empty(), "there is nothing new: {said:?}");
    let second = segment(&mut writer, 2);
    world.say(&writer, writer.hello(), vec![second]).await;
    stick.ask(&world, &mine(&world, &reader, Vec::new()).pack()).await.expect("taken");
    let said = stick.said(&reader);
    assert_eq!(segments(&said, TEAM).len(), 1);
    let had = reader.cursors.iter().find(|k| k.compartment == c(TEAM)).expect("followed").ranges[0].1;
    let brought = &end(&said).cursors;
    assert_eq!(
        brought.iter().map(|k| (k.compartment.clone(), k.ranges.clone())).collect::<Vec<_>>(),
        [(c(TEAM), vec![(had + 1, had + 1)])]
    );
    // A link goes on from where a link ended.
    let linked = world.exchange(&reader, reader.hello(), &[]).await;
    assert!(!notices(&linked).contains(&&Notice::RootUnknown), "an answer on a stick took the link's root away");
}

#[tokio::test]
async fn no_byte_goes_to_an_officer_without_a_grant_and_a_lost_devices_work_is_taken_like_by_a_link() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let stranger = world.officer("x", Agency::Scc, "imt-2", Role::Officer);
    let stick = Stick::new();
    let named = question(&world, &device, vec![stranger], Vec::new()).pack();
    assert!(stick.ask(&world, &named).await.expect_err("not his device").contains("not enrolled"));
    let nobody = question(&world, &device, Vec::new(), Vec::new()).pack();
    assert!(stick.ask(&world, &nobody).await.expect_err("for nobody").contains("nobody could read"));
    world.hq.set_device(&device.enrolled.device.to_string(), false).expect("struck off");
    let work = segment(&mut device, 3);
    let taken = stick.ask(&world, &mine(&world, &device, vec![work]).pack()).await.expect("taken");
    assert_eq!(taken.taken, 3, "its work is not lost");
    let said = stick.said(&device);
    assert!(segments(&said, TEAM).is_empty() && end(&said).cursors.is_empty(), "nothing is told any more");
    assert!(notices(&said).iter().any(|n| matches!(n, Notice::Revoked(_))), "it is told to purge: {said:?}");
}

#[tokio::test]
async fn a_purge_receipt_on_an_old_stick_shuts_no_door_that_was_opened_since() {
    let world = World::new();
    let device = world.device("a", "imt-1").await;
    world.exchange(&device, device.hello(), &[]).await;
    let purged =
        |at_ms| Ask::Purged(Purged::sign(&device.keys.signing, &device.enrolled.device, device.enrolled.officer, c(TEAM), at_ms, true));
    let stick = Stick::new();
    let told = |said: &[Answer]| notices(said).iter().filter(|n| matches!(n, Notice::Revoked(r) if r.compartment == c(TEAM))).count();
    stick.ask(&world, &mine(&world, &device, vec![purged(NOW_MS - 1)]).pack()).await.expect("taken");
    world.hq.set_device(&device.enrolled.device.to_string(), false).expect("struck off");
    let said = world.exchange(&device, device.hello(), &[]).await;
    assert_eq!(told(&said), 1, "the old word must not make a revocation silent");
    stick.ask(&world, &mine(&world, &device, vec![purged(NOW_MS + 1)]).pack()).await.expect("taken");
    let said = world.exchange(&device, device.hello(), &[]).await;
    assert_eq!(told(&said), 0, "a new one is taken");
}
