//! What officers write apart, with the real commands: it merges, stays open until a person decides, and a void loses to what did not see it.

use std::path::Path;

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::{Value, json};

use crate::exchange::assert_all_equal;

struct Team {
    server: Server,
    a: Device,
    b: Device,
    inspections: Vec<String>,
}

impl Team {
    /// Two devices that hold the same records.
    fn new(dir: &Path) -> Self {
        let corpus = corpus::write(dir, 120, 5, &["--team", "imt-1"]);
        let mut server = Server::init_direct(dir);
        server.start();
        let a = Device::enrolled(dir, "a", &server.officer_everywhere("aziz"));
        let b = Device::enrolled(dir, "b", &server.officer_everywhere("bobur"));
        a.import(&corpus);
        a.json(&["sync"]);
        b.json(&["sync"]);
        let inspections = a.list("inspection").iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect();
        Self { server, a, b, inspections }
    }

    /// Both have all that the other wrote.
    fn meet(&self) {
        for device in [&self.a, &self.b, &self.a] {
            device.json(&["sync"]);
        }
        assert_all_equal(&self.a, &self.b, &self.server);
    }

    fn shown(&self, id: &str) -> Value {
        let (a, b) = (self.a.json(&["show", id]), self.b.json(&["show", id]));
        for part in ["data", "conflicts", "hidden", "revived"] {
            assert_eq!(a[part], b[part], "both devices show the same {part}");
        }
        a
    }
}

fn values(conflict: &Value) -> Vec<(u64, &str)> {
    let values = conflict["values"].as_array().expect("a conflict has values");
    values.iter().map(|v| (v["n"].as_u64().expect("a number"), v["value"].as_str().expect("a text"))).collect()
}

#[test]
fn what_two_officers_write_apart_is_in_conflict_on_both_devices_until_one_decides() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let t = Team::new(dir.path());
    let id = &t.inspections[0];
    t.a.json(&["amend", id, "vehicle.colour=green", "search_level=full"]);
    t.b.json(&["amend", id, "vehicle.colour=beige", "result=irregularity"]);
    t.meet();
    let shown = t.shown(id);
    assert_eq!(
        (&shown["data"]["search_level"], &shown["data"]["result"]),
        (&json!("full"), &json!("irregularity")),
        "different fields merge"
    );
    assert_eq!(t.a.json(&["status"])["conflicts"], 1);
    let refused = t.a.json_with(1, &["amend", id, "vehicle.colour=red"]);
    assert!(refused["error"]["message"].as_str().is_some_and(|m| m.contains("vehicle.colour")), "{refused}");

    let (at_a, at_b) = (t.a.json(&["conflicts"]), t.b.json(&["conflicts"]));
    assert_eq!(at_a, at_b, "both devices count the values in the same order");
    let conflict = &at_a[0]["conflicts"][0];
    assert_eq!((&at_a[0]["id"], &conflict["field"]), (&json!(id), &json!("vehicle.colour")));
    let mut colours: Vec<&str> = values(conflict).iter().map(|v| v.1).collect();
    colours.sort_unstable();
    assert_eq!(colours, ["beige", "green"], "both values are kept");
    assert!(conflict["values"].as_array().is_some_and(|v| v.iter().all(|v| v["author"] == "aziz" || v["author"] == "bobur")), "{conflict}");

    let (n, beige) = values(conflict).into_iter().find(|v| v.1 == "beige").expect("it is there");
    let refused = t.b.json_with(1, &["resolve", id, "vehicle.colour", "--take", "3"]);
    assert!(refused["error"]["message"].as_str().is_some_and(|m| m.contains("1 to 2")), "{refused}");
    t.b.json_with(1, &["resolve", id, "result", "--take", "1"]);
    t.b.json(&["resolve", id, "vehicle.colour", "--take", &n.to_string(), "--reason", "seen again"]);
    assert_eq!(t.b.json(&["conflicts"]), json!([]));
    assert_eq!(t.a.json(&["conflicts"]).as_array().map(Vec::len), Some(1), "until the decision comes it is open here");
    t.meet();
    assert_eq!(t.a.json(&["conflicts"]), json!([]), "a decision is a change and travels");
    let shown = t.shown(id);
    assert_eq!(shown["data"]["vehicle"]["colour"], beige);
    assert_eq!(
        shown["history"].as_array().and_then(|h| h.last()).map(|h| (&h["op"], &h["reason"])),
        Some((&json!("resolve"), &json!("seen again")))
    );
}

#[test]
fn two_decisions_apart_are_a_conflict_again_and_a_third_value_may_be_written() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let t = Team::new(dir.path());
    let id = &t.inspections[1];
    t.a.json(&["amend", id, "vehicle.colour=green"]);
    t.b.json(&["amend", id, "vehicle.colour=beige"]);
    t.meet();
    t.a.json(&["resolve", id, "vehicle.colour", "--take", "1"]);
    t.b.json(&["resolve", id, "vehicle.colour", "--take", "2"]);
    t.meet();
    assert_eq!(t.a.json(&["conflicts"]).as_array().map(Vec::len), Some(1), "two officers decided otherwise");
    t.a.json(&["resolve", id, "vehicle.colour", "--value", "grey"]);
    t.meet();
    assert_eq!(t.b.json(&["conflicts"]), json!([]));
    assert_eq!(t.shown(id)["data"]["vehicle"]["colour"], "grey");
}

#[test]
fn elements_that_are_added_apart_are_all_kept_and_fields_of_one_element_merge() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let t = Team::new(dir.path());
    let id = &t.inspections[2];
    let before = t.shown(id)["data"]["persons"].as_array().map_or(0, Vec::len);
    assert!(before > 0, "the record has a person");
    t.a.json(&["amend", id, "persons.1.phone=+998901112233", "persons.new0.role=witness", "persons.new0.family_name=Karimov"]);
    t.b.json(&["amend", id, "persons.1.nationality=TJ", "persons.new0.role=passenger", "persons.new0.family_name=Rahimov"]);
    t.meet();
    let shown = t.shown(id);
    let persons = shown["data"]["persons"].as_array().expect("persons");
    assert_eq!(persons.len(), before + 2, "both persons are there: {persons:?}");
    assert_eq!((&persons[0]["phone"], &persons[0]["nationality"]), (&json!("+998901112233"), &json!("TJ")));
    assert_eq!(t.a.json(&["conflicts"]), json!([]));
}

#[test]
fn a_voided_record_comes_back_only_for_what_did_not_see_the_void_or_by_unvoid() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let t = Team::new(dir.path());
    let (late, plain) = (&t.inspections[3], &t.inspections[4]);
    t.a.json(&["void", late, "--reason", "entered twice"]);
    t.a.json(&["void", plain, "--reason", "entered twice"]);
    t.b.json(&["amend", late, "vehicle.colour=green"]);
    t.meet();
    let shown = t.shown(late);
    assert_eq!((&shown["hidden"], &shown["revived"]), (&json!(false), &json!(true)), "the amendment did not see the void: {shown}");
    assert_eq!(t.shown(plain)["hidden"], json!(true));
    let listed = |id: &str| t.b.list("inspection").iter().any(|r| r["id"] == id);
    assert!(listed(late) && !listed(plain), "what is voided is in no list");
    let refused = t.b.json_with(1, &["amend", plain, "vehicle.colour=green"]);
    assert!(refused["error"]["message"].as_str().is_some_and(|m| m.contains("voided")), "{refused}");
    t.b.json(&["unvoid", plain, "--reason", "it was another one"]);
    t.meet();
    assert_eq!(t.shown(plain)["hidden"], json!(false));
}
