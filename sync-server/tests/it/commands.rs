//! The commands as an administrator gives them, beside a headquarters that is open. Each is the real program.

use std::process::{Command, Output};

use daftar_core::ids::OfficerId;
use daftar_wire::message::{Ask, Purged};
use serde_json::Value as Json;

use crate::support::{Device, NOW_MS, World, c};

const TEAM: &str = "team/imt-1";

fn run(world: &World, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daftar-server"));
    command.args(words).arg("--data").arg(world.folder.path()).output().expect("the program starts")
}

fn json(world: &World, words: &[&str]) -> Json {
    let out = run(world, &[words, &["--json"]].concat());
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("one line of JSON")
}

fn text(world: &World, words: &[&str]) -> String {
    let out = run(world, words);
    assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

/// Status and what was said of it.
fn refused(world: &World, words: &[&str]) -> (i32, String) {
    let out = run(world, words);
    (out.status.code().expect("a status"), String::from_utf8(out.stderr).expect("text"))
}

#[tokio::test]
async fn grants_are_given_and_taken_beside_a_running_server() {
    let world = World::new();
    let device = world.device("karimov", "imt-1").await;
    let there = ["--officer", "karimov", "--compartment", "team/imt-2"];
    let given = json(&world, &[&["grant"], &there[..], &["--read", "--until", "2099-12-31"]].concat());
    assert_eq!((&given["read"], &given["write"], &given["until_ms"]), (&true.into(), &false.into(), &4_102_426_799_000_u64.into()));
    let said = text(&world, &[&["grant"], &there[..], &["--read", "--write"]].concat());
    assert_eq!(said, "officer karimov may read and write in team/imt-2\n");
    let seen = world.exchange(&device, device.hello(), &[]).await;
    assert!(format!("{seen:?}").contains("team/imt-2"), "the open server knows of it at once");
    assert_eq!(json(&world, &[&["revoke"], &there[..]].concat())["revoked"], serde_json::json!(["team/imt-2"]));
    let (status, why) = refused(&world, &[&["revoke"], &there[..]].concat());
    assert_eq!((status, why.as_str()), (1, "daftar-server: officer `karimov` has no grant in team/imt-2\n"));
    assert_eq!(refused(&world, &[&["grant"], &there[..]].concat()).0, 2, "read or write is to be said");
    assert_eq!(refused(&world, &[&["grant"], &there[..], &["--read", "--until", "tomorrow"]].concat()).0, 2);
    assert_eq!(refused(&world, &["revoke", "--officer", "karimov"]).0, 2, "a compartment or --all");
    assert_eq!(json(&world, &["revoke", "--officer", "karimov", "--all"])["revoked"].as_array().map(Vec::len), Some(3));
    let said = text(&world, &["officer", "dismiss", "--name", "karimov"]);
    assert_eq!(said, "officer karimov: revoked nothing\n");
    let back = json(&world, &["officer", "activate", "--name", "karimov"]);
    assert_eq!(back["granted"], serde_json::json!(["agency/moi/imt-1", "operation/op-qorachiroq", TEAM]));
}

#[tokio::test]
async fn a_device_is_shown_struck_off_and_what_it_purged() {
    let world = World::new();
    let device = world.device("karimov", "imt-1").await;
    let id = device.enrolled.device.to_string();
    assert_eq!(json(&world, &["device", "list"])[0]["id"], id.as_str());
    let said = text(&world, &["device", "revoke", "--device", "tablet"]);
    assert!(said.contains("is struck off") && said.contains(&id), "{said}");
    world.exchange(&device, device.hello(), &[]).await;
    let shown = json(&world, &["device", "show", "--device", &id]);
    assert_eq!((&shown["active"], &shown["waiting"], &shown["officers"][0]["handle"]), (&false.into(), &4.into(), &"karimov".into()));
    let (officer, name) = (device.enrolled.officer, c("agency/moi/imt-1"));
    let receipt = Purged::sign(&device.keys.signing, &device.enrolled.device, officer, name, NOW_MS, true);
    world.say(&device, device.hello(), vec![Ask::Purged(receipt)]).await;
    let said = text(&world, &["device", "show", "--device", &id]);
    assert!(said.contains("karimov: purged of agency/moi/imt-1 on 2026-09-21T14:13:20Z, file removed"), "{said}");
    assert!(said.contains("karimov: may still hold team/imt-1, revoked on "), "{said}");
    assert!(text(&world, &["device", "activate", "--device", "tablet"]).contains("is active again"));
    assert_eq!(refused(&world, &["device", "show", "--device", "nothing"]), (1, "daftar-server: no device `nothing`\n".into()));
}

async fn under_review(world: &World) -> Device {
    let mut device = world.device("a", "imt-1").await;
    device.author = OfficerId([5; 16]);
    let segment = device.write(TEAM, 1).write().expect("a segment");
    world.exchange(&device, device.hello(), &[segment]).await;
    device
}

#[tokio::test]
async fn a_verdict_is_given_by_hand_with_a_reason() {
    let world = World::new();
    under_review(&world).await;
    let listed = json(&world, &["verdict", "list"]);
    let (change, reason) = (listed[0]["change"].as_str().expect("a name"), listed[0]["reason"].as_str());
    assert_eq!((reason, listed.as_array().map(Vec::len)), (Some("author_not_active"), Some(1)));
    assert!(text(&world, &["verdict", "list", "--compartment", TEAM]).contains(change));
    assert_eq!(refused(&world, &["verdict", "--change", change, "--accept"]).0, 2, "a reason is to be said");
    assert_eq!(
        refused(&world, &["verdict", "--change", change, "--reason", "x"]).1,
        "daftar-server: say one of --accept, --review, --quarantine\n"
    );
    let ruled = json(&world, &["verdict", "--change", change, "--accept", "--reason", "seen"]);
    assert_eq!((&ruled["before"], &ruled["verdict"], ruled["n"].is_u64()), (&"review".into(), &"accepted".into(), true));
    assert_eq!(text(&world, &["verdict", "list"]), "every change counts\n");
    let again = text(&world, &["verdict", "--change", change, "--accept", "--reason", "seen"]);
    assert_eq!(again, "the change is accepted already\n");
    assert!(text(&world, &["verify"]).contains("all of it holds"));
}
