//! What is left when two devices amend the same field of a record apart, and different fields of it.

use std::path::Path;

use serde_json::{Value, json};

use crate::daftar::{Pair, sync};
use crate::figures::{Figures, Outcome};
use crate::peers::Peers;

const SAME: &str = "the same field";
const DIFFERENT: &str = "different fields";

/// Values of the field in conflict, as a device lists them.
fn open(conflicts: &Value) -> Vec<&str> {
    let values = conflicts[0]["conflicts"][0]["values"].as_array().into_iter().flatten();
    let mut values: Vec<&str> = values.filter_map(|v| v["value"].as_str()).collect();
    values.sort_unstable();
    values
}

fn ours(dir: &Path, corpus: &Path) -> [Outcome; 2] {
    let pair = Pair::with(dir, corpus);
    let list = pair.a.list("inspection");
    let id = list[0]["id"].as_str().expect("a record has an id");
    pair.a.json(&["amend", id, "remarks=of a", "search_level=full"]);
    pair.b.json(&["amend", id, "remarks=of b", "result=irregularity"]);
    for device in [&pair.a, &pair.b, &pair.a] {
        sync(device);
    }
    let (at_a, at_b) = (pair.a.json(&["conflicts"]), pair.b.json(&["conflicts"]));
    let both_open = open(&at_a) == ["of a", "of b"] && at_a == at_b;
    let shown = [&pair.a, &pair.b].map(|device| device.json(&["show", id])["data"].take());
    let merged = |data: &Value| data["search_level"] == json!("full") && data["result"] == json!("irregularity");
    let say = |name, code: &str, says: &str| Outcome { name, who: "Daftar", code: code.to_owned(), says: says.to_owned() };
    [
        say(
            SAME,
            if both_open { "both_kept_open" } else { "one_lost_silently" },
            "both values stand side by side on both devices, with their authors, until an officer decides; the decision is a change",
        ),
        say(
            DIFFERENT,
            if shown.iter().all(merged) { "merged" } else { "one_lost_silently" },
            "both changes stand on both devices, with nothing written for it",
        ),
    ]
}

/// Tries it with everyone.
pub fn measure(dir: &Path, peers: &Peers, figures: &mut Figures) {
    eprintln!("── conflict");
    let corpus = daftar_tests::corpus::write(dir, 100, 77, &["--team", "imt-1"]);
    figures.outcomes.extend(ours(dir, &corpus));
    for (who, answer) in peers.conflict(&corpus, dir) {
        if let Some(said) = figures.heard(&format!("{who}, conflict"), answer) {
            for (name, key) in [(SAME, "same_field"), (DIFFERENT, "different_fields")] {
                figures.outcomes.push(Outcome { name, who, code: said.text(key), says: said.text(&format!("{key}_says")) });
            }
        }
    }
}
