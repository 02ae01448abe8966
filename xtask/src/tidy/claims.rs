//! `docs/testing.md`: every invariant and every fault that the engine must survive is shown by named tests, and the names are there.
//! Judges the table; never runs a test.

use super::Finding;
use super::tree::Tree;

const TABLE: &str = "docs/testing.md";
/// Invariants I1 … and faults F1 … that must have a row.
const INVARIANTS: u32 = 22;
const FAULTS: u32 = 42;
/// Stands in place of a test, with the reason after it, where there is none yet.
const OPEN: &str = "open:";

pub fn shown(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.files.iter().find(|f| f.path == TABLE) else {
        return vec![Finding::new("claims", TABLE, "is not there")];
    };
    let mut found = Vec::new();
    let mut seen = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let Some((claim, tests)) = row(line) else { continue };
        let at = format!("{TABLE}:{}", index + 1);
        let names = code_spans(tests);
        if names.is_empty() && !tests.trim_start().starts_with(OPEN) {
            found.push(Finding::new("claims", &at, format!("{claim} has neither a test nor a reason")));
        }
        for name in names.iter().filter(|name| !is_test(tree, name)) {
            found.push(Finding::new("claims", &at, format!("{claim} names {name}, which is no test")));
        }
        seen.push(claim.to_owned());
    }
    let wanted = (1..=INVARIANTS).map(|n| format!("I{n}")).chain((1..=FAULTS).map(|n| format!("F{n}")));
    found.extend(wanted.filter(|w| !seen.contains(w)).map(|w| Finding::new("claims", TABLE, format!("{w} has no row"))));
    found
}

/// The claim and the cell of its tests: the first and last cells of `| F12 | … | `test` |`.
fn row(line: &str) -> Option<(&str, &str)> {
    let cells: Vec<&str> = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
    let claim = cells.first()?.trim();
    let number = claim.strip_prefix(['I', 'F'])?;
    let is_claim = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    (is_claim && cells.len() >= 2).then(|| (claim, cells.last().copied().unwrap_or_default()))
}

fn code_spans(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// A test of Rust by its function's name, or one of JavaScript by its words.
fn is_test(tree: &Tree, name: &str) -> bool {
    let rust = format!("fn {name}(");
    tree.files.iter().any(|file| {
        (file.path.ends_with(".rs") && has_test(&file.text, &rust))
            || ([".mjs", ".ts"].iter().any(|end| file.path.ends_with(end)) && file.text.contains(&format!("\"{name}\"")))
    })
}

/// The function is there, and among the attributes right above it is a test's.
fn has_test(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let at = lines.iter().position(|line| line.contains(function));
    let marks = at.map(|at| lines[..at].iter().rev().take_while(|line| line.starts_with("#[")));
    marks.is_some_and(|mut marks| marks.any(|mark| mark.contains("test")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str = "\n#[test]\nfn saved_means_saved() {}\n\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn feeds_have_no_gap() {}\n\nfn helper() {}\n";

    fn why(rows: &str) -> Vec<String> {
        let others: Vec<String> = (1..=INVARIANTS).map(|n| format!("I{n}")).chain((1..=FAULTS).map(|n| format!("F{n}"))).collect();
        let rest: String =
            others.iter().filter(|o| !rows.contains(&format!("| {o} |"))).map(|o| format!("| {o} | x | open: later |\n")).collect();
        let tree = Tree::of(&[(TABLE, &format!("{rows}\n{rest}")), ("a.rs", RUST), ("b.mjs", "await step(\"the window opens\", f)")]);
        shown(&tree).into_iter().map(|f| f.why).collect()
    }

    #[test]
    fn a_row_that_names_tests_that_are_there_passes() {
        assert_eq!(
            why("| I1 | said after the commit | `saved_means_saved`, `feeds_have_no_gap`, `the window opens` |"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_name_that_is_gone_or_is_no_test_and_a_row_without_anything_are_found() {
        assert_eq!(why("| I1 | x | `gone_test` |"), ["I1 names gone_test, which is no test"]);
        assert_eq!(why("| I1 | x | `helper` |"), ["I1 names helper, which is no test"]);
        assert_eq!(why("| F9 | x | |"), ["F9 has neither a test nor a reason"]);
    }

    #[test]
    fn a_claim_without_a_row_is_found() {
        let tree = Tree::of(&[(TABLE, "| I1 | x | open: later |")]);
        assert_eq!(shown(&tree).len() as u32, INVARIANTS + FAULTS - 1);
    }
}
