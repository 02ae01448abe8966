//! Nothing new, and one amendment, with the corpus on both sides.

use crate::RUNS;
use crate::daftar::{Pair, Synced, each, sync};
use crate::exchange::Others;
use crate::figures::{Bar, Figures, Row};

/// Measures both.
pub fn measure(pair: &Pair, others: &Others, figures: &mut Figures) {
    eprintln!("── small");
    sync(&pair.a);
    let idle: Vec<Synced> = (0..RUNS).map(|_| sync(&pair.a)).collect();
    rows("nothing new", "idle", &idle, [300.0, 250.0], others, figures);
    let ids: Vec<String> = pair.b.list("inspection").iter().take(RUNS).filter_map(|r| r["id"].as_str().map(str::to_owned)).collect();
    let amended: Vec<Synced> = ids.iter().map(|id| amend(pair, id)).collect();
    rows("one amendment", "one", &amended, [600.0, 300.0], others, figures);
}

fn amend(pair: &Pair, id: &str) -> Synced {
    pair.a.json(&["amend", id, "vehicle.colour=green"]);
    sync(&pair.a)
}

fn rows(name: &str, key: &str, all: &[Synced], [up, down]: [f64; 2], others: &Others, figures: &mut Figures) {
    let mut add = |what: &str, ours: &str, theirs: &str, unit, bar: Option<f64>| {
        let row = Row::of(format!("{name}, {what}"), &each(all, ours), unit);
        let row = others.beside(row, &format!("{key}_{theirs}"), 1.0);
        figures.add(match bar {
            Some(most) => row.bar(Bar::AtMost(most)),
            None => row,
        });
    };
    add("up", "bytes_up", "up", "B", Some(up));
    add("down", "bytes_down", "down", "B", Some(down));
    add("requests", "requests", "requests", "", Some(1.0));
    add("seconds", "seconds", "s", "s", None);
}
