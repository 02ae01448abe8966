//! Officers whom a leader let in where there was no network: what of it headquarters takes.

use daftar_core::authorize::{Grant, Role};
use daftar_core::compartment::Agency;
use daftar_core::ids::OfficerId;
use daftar_sync_server::store::people;
use daftar_wire::message::{Access, Admission, Answer, Ask, Hello, Notice};
use daftar_wire::segment::{Attestation, Segment};
use daftar_wire::sign::attest;

use crate::support::{Device, DeviceKeys, NOW_MS, World, c, end, held, notices};

const TEAM: &str = "team/imt-1";
const NOTES: &str = "agency/moi/imt-1";
const ELSEWHERE: &str = "team/imt-2";
const HOUR_MS: u64 = 3_600_000;
const BOTH: Access = Access { read: true, write: true };

/// A leader's device with a second officer on it, whose word the leader signs.
struct Field {
    world: World,
    leader: Device,
    guest: Device,
}

impl Field {
    async fn new() -> Self {
        let world = World::new();
        world.officer("lead", Agency::Moi, "imt-1", Role::Leader);
        let leader = world.enrolled("lead", false).await;
        let keys = leader.keys.with_another_officer();
        let mut guest = Device::new(leader.enrolled.clone(), keys);
        guest.enrolled.officer = OfficerId([42; 16]);
        guest.author = guest.enrolled.officer;
        guest.incarnation = leader.incarnation;
        Self { world, leader, guest }
    }

    fn admission(&self, compartments: &[(&str, Access)]) -> Admission {
        self.signed(compartments, NOW_MS, NOW_MS + 72 * HOUR_MS)
    }

    fn signed(&self, compartments: &[(&str, Access)], from_ms: u64, until_ms: u64) -> Admission {
        let admission = Admission {
            device: self.leader.enrolled.device,
            officer: self.guest.enrolled.officer,
            handle: "lead".into(),
            full_name: "A. Replacement".into(),
            agency: Agency::Scc,
            signing: self.guest.keys.officer.verifying_key().to_bytes(),
            sealing: self.guest.keys.sealing,
            compartments: compartments.iter().map(|(name, access)| (c(name), *access)).collect(),
            from_ms,
            until_ms,
            by: self.leader.enrolled.officer,
            sig: [0; 64],
        };
        admission.signed(&self.leader.keys.officer)
    }

    async fn say(&self, said: Vec<Ask>) -> Vec<Answer> {
        self.world.say(&self.guest, Hello { root: [0; 16], ..self.guest.hello() }, said).await
    }

    /// Something that the guest writes and attests, as his device does.
    fn write(&mut self, name: &str) -> Segment {
        let (_, before) = self.guest.head_or_start(name);
        let mut segment = self.guest.write(name, 1);
        let (officer, n, head) = (self.guest.author, segment.last(), segment.chain(before).head());
        let sig = attest(&self.guest.keys.officer, &officer, &segment.stream, n, &head);
        segment.attestations.push(Attestation { officer, n, sig });
        segment
    }
}

fn ask(segment: &Segment) -> Ask {
    Ask::Segment(segment.write().expect("a segment"))
}

fn reasons(answers: &[Answer]) -> Vec<&str> {
    let verdicts = answers.iter().filter_map(|a| if let Answer::Verdict(v) = a { Some(&v.rulings) } else { None });
    verdicts.flatten().map(|r| r.reason.as_str()).collect()
}

fn compartments(answers: &[Answer]) -> Vec<&str> {
    let mut names: Vec<&str> = end(answers).cursors.iter().map(|c| c.compartment.as_str()).collect();
    names.sort_unstable();
    names
}

fn revoked(answers: &[Answer]) -> usize {
    notices(answers).into_iter().filter(|n| matches!(n, Notice::Revoked(_))).count()
}

#[tokio::test]
async fn whom_a_leader_let_in_writes_what_counts_and_reads_what_he_was_given_for_72_hours() {
    let mut field = Field::new().await;
    // The leader's agency is another than his: its notes stay shut, and so does what the leader may not use.
    let admission = field.admission(&[(TEAM, BOTH), (ELSEWHERE, BOTH), (NOTES, BOTH)]);
    let segment = field.write(TEAM);
    let elsewhere = field.write(ELSEWHERE);
    let seen = field.say(vec![Ask::Admission(admission.clone()), ask(&segment), ask(&elsewhere)]).await;
    assert_eq!(held(&seen, &field.guest.stream(TEAM)), Some(field.guest.head(TEAM)));
    assert_eq!(reasons(&seen), Vec::<&str>::new(), "taken before the segments that follow it");
    assert_eq!(compartments(&seen), ["reference", TEAM], "and nothing that the leader may not use");
    let hq = &field.world.hq;
    let officer = |tx: &rusqlite::Transaction<'_>| people::officer(tx, &field.guest.enrolled.officer);
    let officer = hq.store.read(officer).expect("readable").expect("he is known");
    assert_eq!((officer.handle.as_str(), officer.agency, officer.role), ("lead-2", Agency::Scc, Role::Officer));
    let before = field.say(Vec::new()).await;
    let again = field.say(vec![Ask::Admission(admission.clone()), Ask::Admission(admission)]).await;
    assert_eq!(end(&before).cursors, end(&again).cursors, "twice is once");
    // What he wrote in time counts whenever it comes; then it is over, for the reference too.
    field.world.clock.set(NOW_MS + 73 * HOUR_MS);
    let late = field.write(TEAM);
    let seen = field.say(vec![ask(&late)]).await;
    assert_eq!((compartments(&seen), revoked(&seen)), (Vec::new(), 2));
    let reader = field.world.device("b", "imt-1").await;
    let seen = field.world.exchange(&reader, reader.hello(), &[]).await;
    assert_eq!(reasons(&seen), Vec::<&str>::new());
}

#[tokio::test]
async fn a_leaders_word_for_an_officer_of_headquarters_opens_nothing_else_of_his_on_that_device() {
    let mut field = Field::new().await;
    let analyst = field.world.officer("analyst", Agency::Sss, "", Role::Analyst);
    field.guest.enrolled.officer = analyst;
    field.guest.author = analyst;
    let admission = field.admission(&[(TEAM, BOTH)]);
    let seen = field.say(vec![Ask::Admission(admission)]).await;
    assert_eq!(compartments(&seen), ["reference", TEAM], "not his agency's notes, nor the other teams");
    let granted = field.world.hq.store.read(|tx| people::grants_of(tx, &analyst)).expect("readable");
    assert!(granted.iter().all(|(_, g)| g.grant.until_ms.is_none()), "he had a grant there, and it is left as it was");
    // Headquarters' own code for the same device lifts the bound.
    let code = field.world.hq.make_code("analyst", false, 24).expect("a code");
    field.world.enrol(&code, &field.guest.keys).await.expect("enrolled");
    assert!(compartments(&field.say(Vec::new()).await).contains(&"agency/sss/imt-1"));
}

#[tokio::test]
async fn an_admission_that_is_not_a_leaders_word_is_not_taken_and_the_work_is_kept_for_review() {
    let field = Field::new().await;
    let all = [(TEAM, BOTH)];
    let mut forged = field.admission(&all);
    forged.compartments.push((c(NOTES), BOTH));
    let mut elsewhere = field.admission(&all);
    elsewhere.device = daftar_core::ids::DeviceId([1; 16]);
    let elsewhere = elsewhere.signed(&field.leader.keys.officer);
    let himself = Admission { by: field.guest.enrolled.officer, ..field.admission(&all) }.signed(&field.guest.keys.officer);
    let too_long = field.signed(&all, NOW_MS, NOW_MS + 73 * HOUR_MS);
    let nothing = field.admission(&[(ELSEWHERE, BOTH), ("reference", BOTH)]);
    let mut field = field;
    for (case, bad) in [("forged", forged), ("elsewhere", elsewhere), ("himself", himself), ("too long", too_long), ("nothing", nothing)] {
        let segment = field.write(TEAM);
        let seen = field.say(vec![Ask::Admission(bad), ask(&segment)]).await;
        assert_eq!(held(&seen, &field.guest.stream(TEAM)), Some(field.guest.head(TEAM)), "{case}: the work is not lost");
        assert_eq!(compartments(&seen), Vec::<&str>::new(), "{case}: and nothing is opened");
    }
    let reader = field.world.device("b", "imt-1").await;
    assert_eq!(reasons(&field.world.exchange(&reader, reader.hello(), &[]).await), ["author_not_active"; 5]);
    assert_eq!(daftar_sync_server::verify::verify(&field.world.hq).expect("read").bad, Vec::<String>::new());
    field.world.hq.dismiss("lead").expect("dismissed");
    let good = field.admission(&all);
    assert_eq!(compartments(&field.say(vec![Ask::Admission(good)]).await), Vec::<&str>::new(), "a leader who was dismissed lets nobody in");
}

#[tokio::test]
async fn a_leader_does_not_give_back_what_headquarters_took_nor_for_longer_by_a_clock_that_is_ahead() {
    let mut field = Field::new().await;
    let officer = field.world.officer("x", Agency::Moi, "imt-1", Role::Officer);
    field.guest.enrolled.officer = officer;
    field.guest.author = officer;
    let for_an_hour = Grant { read: true, write: true, until_ms: Some(NOW_MS + HOUR_MS) };
    field.world.hq.grant("x", &c(TEAM), for_an_hour).expect("granted");
    field.world.hq.revoke("x", Some(&c(TEAM))).expect("revoked");
    field.world.clock.set(NOW_MS + 2 * HOUR_MS);
    let ahead = NOW_MS + 1_000 * 24 * HOUR_MS;
    let admission = field.signed(&[(TEAM, BOTH), (NOTES, BOTH)], ahead, ahead + 72 * HOUR_MS);
    let seen = field.say(vec![Ask::Admission(admission)]).await;
    assert_eq!(compartments(&seen), [NOTES, "reference"]);
    field.world.clock.set(NOW_MS + 75 * HOUR_MS);
    assert_eq!(compartments(&field.say(Vec::new()).await), Vec::<&str>::new(), "72 hours from when headquarters heard of it");
    // Who was let in lets nobody in, whatever he is.
    let second = field.world.officer("lead2", Agency::Moi, "imt-1", Role::Leader);
    field.world.hq.grant("lead2", &c(TEAM), Grant { read: true, write: true, until_ms: None }).expect("granted");
    field.guest.enrolled.officer = second;
    let admission = field.signed(&[(TEAM, BOTH)], NOW_MS + 75 * HOUR_MS, NOW_MS + 76 * HOUR_MS);
    assert_eq!(compartments(&field.say(vec![Ask::Admission(admission)]).await), ["reference", TEAM]);
    let third = DeviceKeys::new();
    let by_guest = Admission {
        officer: OfficerId([77; 16]),
        by: second,
        signing: third.officer.verifying_key().to_bytes(),
        ..field.signed(&[(TEAM, BOTH)], NOW_MS + 75 * HOUR_MS, NOW_MS + 76 * HOUR_MS)
    };
    let by_guest = by_guest.signed(&field.guest.keys.officer);
    let hello = Hello { officers: vec![OfficerId([77; 16])], ..field.guest.hello() };
    assert_eq!(compartments(&field.world.say(&field.guest, hello, vec![Ask::Admission(by_guest)]).await), Vec::<&str>::new());
}
