//! The figures on paper: JSON lines for machines, a table for people. Judges nothing.

use std::io::Write;

use serde_json::{Value, json};

use crate::figures::{Figures, Peer, Row};

/// Prints all of it on standard output.
pub fn print(figures: &Figures, machine: &Value) {
    let mut out = std::io::stdout().lock();
    for line in lines(figures, machine) {
        let _ = writeln!(out, "{line}");
    }
    let _ = write!(out, "\n{}", table(figures, machine));
}

fn lines(figures: &Figures, machine: &Value) -> Vec<Value> {
    let mut lines = vec![json!({"machine": machine})];
    lines.extend(figures.rows.iter().map(Row::json));
    lines.extend(figures.outcomes.iter().map(|o| json!({"figure": o.name, "of": o.who, "code": o.code, "says": o.says})));
    lines.extend(figures.absent.iter().map(|(what, why)| json!({"figure": what, "not_measured": why})));
    lines
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// A peer's figure, and ours by it.
fn beside(row: &Row, peer: &Peer) -> String {
    let ratio = if peer.value > 0.0 { format!(" ({:.2})", row.value / peer.value) } else { String::new() };
    format!("{} {}{ratio}", peer.name, number(peer.value))
}

/// One bar a line: only the first line has the rest of the row.
fn table(figures: &Figures, machine: &Value) -> String {
    let mut text = String::new();
    for (key, value) in machine.as_object().into_iter().flatten() {
        text += &format!("{:<26} {}\n", key.replace('_', " "), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    text += &format!("\n{:<50} {:>12} {:<4} {:>2}  {:<34} {}\n", "figure", "value", "unit", "n", "bar", "peers in this run (ratio)");
    for row in &figures.rows {
        let peers: Vec<String> = row.peers.iter().map(|p| beside(row, p)).collect();
        let mut bars = row.bars.iter().map(|bar| {
            let verdict = match row.is_met(bar) {
                Some(true) => "met",
                Some(false) => "NOT MET",
                None => "no peer",
            };
            format!("{verdict}: {}", row.say_bar(bar))
        });
        let first = bars.next().unwrap_or_default();
        let (name, value) = (&row.name, number(row.value));
        text += format!("{name:<50} {value:>12} {:<4} {:>2}  {first:<34} {}", row.unit, row.runs, peers.join(", ")).trim_end();
        text.push('\n');
        bars.for_each(|bar| text += &format!("{:<73} {bar}\n", ""));
    }
    if !figures.outcomes.is_empty() {
        text += "\nwhat is no number\n";
    }
    for o in &figures.outcomes {
        text += &format!("{:<34} {:<13} {:<24} {}\n", o.name, o.who, o.code, o.says);
    }
    for (what, why) in &figures.absent {
        text += &format!("\nnot measured: {what}: {why}");
    }
    let judged = || figures.rows.iter().flat_map(|row| row.bars.iter().filter(|bar| !bar.is_goal()).filter_map(|bar| row.is_met(bar)));
    text + &format!("\n{} of {} bars are met.\n", judged().filter(|met| *met).count(), judged().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Bar;

    #[test]
    fn the_table_says_plainly_what_is_not_met_and_who_is_absent() {
        let mut figures = Figures::default();
        figures.add(Row::one("push", 2.0, "s").beside("A", 4.0).bar(Bar::AtMost(1.0)).bar(Bar::BestPeer(2.0)));
        assert!(figures.heard::<()>("B", Err("it does not build".into())).is_none());
        let table = table(&figures, &json!({"cores": 2}));
        for part in ["NOT MET: ≤ 1 s", "met: ≤ 1/2 of the best peer", "A 4 (0.50)", "B: it does not build", "1 of 2 bars"] {
            assert!(table.contains(part), "{part} is in\n{table}");
        }
        assert_eq!(lines(&figures, &Value::Null)[1]["bars"][0]["met"], false);
    }
}
