//! The rules over source files. One rule, one function. The words that they forbid are built from parts, so
//! that this file passes its own rules.

use super::Finding;
use super::tree::{File, Tree};

pub const LINES_MAX: usize = 600;

/// A file's first line says what it owns and what it never does.
pub fn first_lines(tree: &Tree) -> Vec<Finding> {
    let is_bare = |file: &&File| file.kind() == "rs" && !file.is_generated() && !file.text.starts_with("//!");
    let bare = tree.files.iter().filter(is_bare);
    bare.map(|file| Finding::new("first-line", &file.path, "the first line is to begin with //!")).collect()
}

/// No file that a person wrote is over 600 lines.
pub fn lengths(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.is_source()) {
        let lines = file.text.lines().count();
        if lines > LINES_MAX {
            found.push(Finding::new("length", &file.path, format!("{lines} lines: is it two things? ({LINES_MAX} at most)")));
        }
    }
    found
}

/// Nothing is left open in the code.
pub fn left_open(tree: &Tree) -> Vec<Finding> {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let calls = [concat!("to", "do!"), concat!("unimpl", "emented!")];
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.is_source()) {
        for (number, line) in numbered(file) {
            for word in words.iter().chain(&calls).filter(|word| has_word(line, word)) {
                found.push(Finding::new("left-open", at(file, number), format!("'{word}': do it, or drop it")));
            }
        }
    }
    found
}

/// A lint is silenced only with its reason.
pub fn bare_exemptions(tree: &Tree) -> Vec<Finding> {
    let verbs = [concat!("al", "low("), concat!("ex", "pect(")];
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.kind() == "rs" && !file.is_generated()) {
        for (start, _) in file.text.match_indices('#') {
            let rest = &file.text[start + 1..];
            let Some(body) = rest.strip_prefix('[').or_else(|| rest.strip_prefix("![")) else {
                continue;
            };
            let attribute = until_closed(body);
            let head = attribute
                .strip_prefix("cfg_attr(")
                .map_or(attribute, |inner| inner.split_once(',').map_or(inner, |(_, then)| then.trim_start()));
            if verbs.iter().any(|verb| head.starts_with(verb)) && !has_word(attribute, "reason") {
                let number = file.text[..start].lines().count().max(1);
                found.push(Finding::new("exemption", at(file, number), "a lint is silenced without a reason"));
            }
        }
    }
    found
}

/// No registry's host and no path of one machine stands in a tracked file.
pub fn foreign_places(tree: &Tree) -> Vec<Finding> {
    let hosts = [
        concat!("registry.", "npmjs.org"),
        concat!("registry.", "yarnpkg.com"),
        concat!("crates", ".io"),
        concat!("py", "pi.org"),
        concat!("files.python", "hosted.org"),
        concat!("proxy.go", "lang.org"),
    ];
    let folders = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let mut found = Vec::new();
    // Cargo itself writes where a crate came from into its lock.
    for file in tree.files.iter().filter(|file| !is_cargo_lock(&file.path)) {
        for (number, line) in numbered(file) {
            for host in hosts.iter().filter(|host| line.contains(*host)) {
                found.push(Finding::new("foreign", at(file, number), format!("names the host {host}")));
            }
            for folder in folders.iter().filter(|folder| has_absolute(line, folder)) {
                found.push(Finding::new("foreign", at(file, number), format!("names a folder of one machine, {folder}")));
            }
        }
    }
    found
}

fn is_cargo_lock(path: &str) -> bool {
    path == "Cargo.lock" || path.ends_with("/Cargo.lock")
}

/// The domain is handed time and does no I/O.
pub fn impure_core(tree: &Tree) -> Vec<Finding> {
    let words = ["SystemTime", "Instant"];
    let modules = ["fs", "net", "env", "process", "thread"];
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.starts_with("crates/core/src/") && file.kind() == "rs") {
        for (number, line) in numbered(file) {
            for word in words.iter().filter(|word| has_word(line, word)) {
                found.push(Finding::new("pure-core", at(file, number), format!("core never mentions {word}")));
            }
            let grouped = line.split_once("std::{").map_or("", |(_, group)| group);
            for module in modules {
                if has_word(line, &format!("std::{module}")) || has_word(grouped, module) {
                    found.push(Finding::new("pure-core", at(file, number), format!("core never uses std::{module}")));
                }
            }
        }
    }
    found
}

/// Every member takes the workspace's lints.
pub fn lints_inherited(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        let after = file.text.split_once("[lints]\n").map_or("", |(_, after)| after);
        let mut section = after.lines().take_while(|line| !line.starts_with('['));
        if !section.any(|line| line.replace(' ', "") == "workspace=true") {
            found.push(Finding::new("lints", &file.path, "[lints] workspace = true is missing"));
        }
    }
    found
}

fn numbered(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn at(file: &File, number: usize) -> String {
    format!("{}:{number}", file.path)
}

/// The text up to the bracket that closes it.
fn until_closed(body: &str) -> &str {
    let mut depth = 1_u32;
    for (index, letter) in body.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &body[..index];
        }
    }
    body
}

/// Does the word stand there by itself?
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(is_part) && (word.ends_with('!') || !after.is_some_and(is_part))
    })
}

/// Does the folder stand there as the start of a path?
fn has_absolute(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "._-}*)".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_at(rule: fn(&Tree) -> Vec<Finding>, path: &str, text: &str) -> Vec<String> {
        rule(&Tree::of(&[(path, text)])).into_iter().map(|finding| finding.at).collect()
    }

    #[test]
    fn a_rust_file_without_a_first_line_is_found() {
        assert_eq!(rules_at(first_lines, "crates/core/src/a.rs", "use std::fmt;"), ["crates/core/src/a.rs"]);
        assert!(rules_at(first_lines, "a.rs", "//! Owns a.\n").is_empty());
        assert!(rules_at(first_lines, "ui/shared/generated/a.rs", "").is_empty());
    }

    #[test]
    fn a_long_file_is_found_and_a_generated_one_is_not() {
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(rules_at(lengths, "ui/a.svelte", &long), ["ui/a.svelte"]);
        assert!(rules_at(lengths, "ui/shared/generated/a.ts", &long).is_empty());
        assert!(rules_at(lengths, "tests/a.ndjson", &long).is_empty());
    }

    #[test]
    fn what_is_left_open_is_found_as_a_word() {
        let mark = concat!("// TO", "DO later");
        assert_eq!(rules_at(left_open, "a.rs", &format!("//! a\n{mark}\n")), ["a.rs:2"]);
        assert_eq!(rules_at(left_open, "a.ts", concat!("/* XX", "X */")), ["a.ts:1"]);
        assert_eq!(rules_at(left_open, "a.rs", concat!("to", "do!()")), ["a.rs:1"]);
        assert!(rules_at(left_open, "a.rs", concat!("METO", "DOS XX", "XX")).is_empty());
    }

    #[test]
    fn an_exemption_without_reason_is_found_also_over_lines_and_conditions() {
        let (hush, await_it) = (concat!("al", "low"), concat!("ex", "pect"));
        for bad in [
            format!("#[{hush}(clippy::unwrap_used)]"),
            format!("fn a() {{}}\n#![{await_it}(\n    dead_code,\n)]"),
            format!("#[cfg_attr(test, {hush}(dead_code))]"),
        ] {
            assert_eq!(rules_at(bare_exemptions, "a.rs", &bad).len(), 1, "{bad}");
        }
        let good = format!("#[{await_it}(clippy::x, reason = \"why [1]\")]\n#[derive(Debug)] let a = b.{await_it}(\"c\");");
        assert!(rules_at(bare_exemptions, "a.rs", &good).is_empty());
    }

    #[test]
    fn hosts_and_folders_of_one_machine_are_found() {
        let host = concat!("see https://registry.", "npmjs.org/x");
        assert_eq!(rules_at(foreign_places, "docs/a.md", host), ["docs/a.md:1"]);
        assert_eq!(rules_at(foreign_places, "a.sh", concat!("cd '/wo", "rk/x'")), ["a.sh:1"]);
        assert!(rules_at(foreign_places, "a.rs", concat!("tests/wo", "rk/a.rs")).is_empty());
        for lock in ["Cargo.lock", "tests/bench/peers/rust/Cargo.lock"] {
            assert!(rules_at(foreign_places, lock, concat!("registry+https://x/crates", ".io-index")).is_empty());
        }
    }

    #[test]
    fn a_clock_or_io_in_core_is_found() {
        let path = "crates/core/src/a.rs";
        for bad in ["use std::time::SystemTime;", "let a = Instant::now();", "std::fs::read(a)", "use std::{fmt, net};"] {
            assert_eq!(rules_at(impure_core, path, bad).len(), 1, "{bad}");
        }
        assert!(rules_at(impure_core, path, "// Instantly; std::fmt; environment").is_empty());
        assert!(rules_at(impure_core, "crates/device/src/a.rs", "use std::fs;").is_empty());
    }

    #[test]
    fn a_member_with_lints_of_its_own_is_found() {
        assert_eq!(rules_at(lints_inherited, "a/Cargo.toml", "[package]\n[lints]\n[x]\nworkspace = true\n"), ["a/Cargo.toml"]);
        assert!(rules_at(lints_inherited, "a/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n").is_empty());
        assert!(rules_at(lints_inherited, "Cargo.toml", "[workspace]").is_empty());
    }
}
