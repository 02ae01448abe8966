//! Every path that a document names exists. Judges only what looks like a path of this repository.

use super::Finding;
use super::tree::{File, Tree};

const SOURCE_KINDS: &[&str] = &[".rs", ".svelte", ".ts", ".mjs", ".toml", ".py", ".sql", ".md", ".sh", ".ndjson"];
/// Named without a folder, only these are surely ours: `config.toml` may be an operator's.
const BARE_KINDS: &[&str] = &[".rs", ".svelte"];

pub fn paths_exist(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| is_document(&file.path)) {
        let mut is_fenced = false;
        for (index, line) in file.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                is_fenced = !is_fenced;
            }
            if is_fenced {
                continue;
            }
            let spans = code_spans(line).into_iter().filter_map(|span| looks_like_path(tree, span));
            let links = links(line).into_iter().filter_map(link_path);
            for path in spans.chain(links) {
                if !exists(tree, file, path) {
                    let at = format!("{}:{}", file.path, index + 1);
                    found.push(Finding::new("document", at, format!("names {path}, which is not there")));
                }
            }
        }
    }
    found
}

fn is_document(path: &str) -> bool {
    matches!(path, "README.md" | "ARCHITECTURE.md" | "CHANGELOG.md") || (path.starts_with("docs/") && path.ends_with(".md"))
}

fn code_spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// The targets of `[text](target)`.
fn links(line: &str) -> Vec<&str> {
    let ends = line.match_indices("](").map(|(start, _)| &line[start + 2..]);
    ends.filter_map(|rest| rest.split_once(')').map(|(target, _)| target)).collect()
}

fn link_path(target: &str) -> Option<&str> {
    let path = target.split(['#', ' ']).next().unwrap_or("");
    let is_elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
    (!is_elsewhere).then_some(path)
}

/// The path in a code span, when it is one of ours.
fn looks_like_path<'a>(tree: &Tree, span: &'a str) -> Option<&'a str> {
    let path = span.split('#').next().unwrap_or("").trim_end_matches('/');
    // `file.rs:12` points into a file.
    let path = match path.rsplit_once(':') {
        Some((file, line)) if !line.is_empty() && line.chars().all(|letter| letter.is_ascii_digit()) => file,
        _ => path,
    };
    let path = path.strip_prefix("./").unwrap_or(path);
    let is_plain = path.chars().all(|letter| letter.is_alphanumeric() || "/._-+@".contains(letter));
    if path.is_empty() || !is_plain || path.starts_with(['/', '.', '-', '@']) || path.contains("NNNN") || path.contains("...") {
        return None;
    }
    let kinds = if path.contains('/') { SOURCE_KINDS } else { BARE_KINDS };
    let is_source = kinds.iter().any(|kind| path.ends_with(kind) && path.len() > kind.len());
    let is_below_top = path
        .split_once('/')
        .is_some_and(|(top, _)| tree.files.iter().any(|file| file.path.split_once('/').is_some_and(|(first, _)| first == top)));
    (is_source || is_below_top).then_some(path)
}

/// From the root, from the document's folder, or as the end of a path (`commands/inspection.rs`).
fn exists(tree: &Tree, document: &File, path: &str) -> bool {
    let folder = document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let near = join(folder, path);
    let plain = join("", path);
    if plain.is_empty() || near.is_empty() {
        return true;
    }
    let end = format!("/{plain}");
    tree.files.iter().any(|file| {
        let is = |wanted: &str| file.path.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is(&plain) || is(&near) || file.path.ends_with(&end) || file.path.contains(&format!("{end}/"))
    })
}

/// `docs` and `../x/./y` give `x/y`.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(document: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[
            (document, text),
            ("crates/core/src/merge.rs", ""),
            ("src-tauri/src/commands/inspection.rs", ""),
            ("docs/protocol.md", ""),
            ("x", ""),
        ]);
        paths_exist(&tree).into_iter().map(|finding| finding.why).collect()
    }

    #[test]
    fn a_path_that_is_gone_is_found_in_spans_and_links() {
        for bad in ["`crates/core/src/gone.rs`", "`crates/gone/`", "[a](gone.md)", "`gone/merge.rs:3`", "`Gone.svelte`"] {
            assert_eq!(missing("README.md", bad).len(), 1, "{bad}");
        }
    }

    #[test]
    fn paths_that_are_there_pass_from_root_folder_and_end() {
        let good = "`crates/core/src/merge.rs:7` `./crates/core` `commands/inspection.rs` `merge.rs` [p](docs/protocol.md#wire)";
        assert!(missing("README.md", good).is_empty());
        assert!(missing("docs/operations.md", "[p](protocol.md) [q](../crates/core/src/merge.rs)").is_empty());
    }

    #[test]
    fn what_is_no_path_of_ours_is_left_alone() {
        let other = "`./x demo` `team/imt-1` `application/json` `/v1/sync` `config.toml` `docs/adr/NNNN-title.md` \
                     `https://a.b/c.md` [u](https://a.b/c) [m](mailto:a@b) [h](#here)\n```\ncrates/gone.rs `crates/gone.rs`\n```";
        assert!(missing("README.md", other).is_empty());
    }
}
