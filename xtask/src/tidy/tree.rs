//! The tree as the rules see it: every tracked or new file, in memory. Never looks at what git ignores.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Not read without git either.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", "dist", "gen"];
/// Larger files are data.
const TEXT_BYTES_MAX: usize = 2_000_000;

pub struct File {
    /// From the root, with `/`.
    pub path: String,
    /// Empty when it is not text.
    pub text: String,
}

impl File {
    /// The extension, or nothing.
    pub fn kind(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.rsplit_once('.').map_or("", |(_, kind)| kind)
    }

    /// Code that a person wrote, in any of our languages.
    pub fn is_source(&self) -> bool {
        let is_code = matches!(self.kind(), "rs" | "ts" | "js" | "mjs" | "svelte" | "css" | "html" | "py" | "sh" | "sql" | "toml");
        (is_code || self.path == "x" || self.path == ".ci/run") && !self.is_generated()
    }

    pub fn is_generated(&self) -> bool {
        self.path.split('/').any(|part| part == "generated" || part == "gen")
    }
}

pub struct Tree {
    pub files: Vec<File>,
}

impl Tree {
    pub fn read(root: &Path) -> Result<Self> {
        let mut paths = match tracked(root) {
            Some(paths) => paths,
            None => walk(root)?,
        };
        paths.sort();
        paths.dedup();
        let mut files = Vec::new();
        for path in paths {
            // Deleted but not yet committed.
            if !root.join(&path).is_file() {
                continue;
            }
            let bytes = fs::read(root.join(&path)).with_context(|| format!("reading {path}"))?;
            let text = if bytes.len() > TEXT_BYTES_MAX { None } else { String::from_utf8(bytes).ok() };
            files.push(File { path, text: text.unwrap_or_default() });
        }
        Ok(Self { files })
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() });
        Self { files: files.collect() }
    }
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").current_dir(root).args(words).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path) -> Result<Vec<String>> {
    let (mut paths, mut open) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() && !SKIPPED.contains(&name.as_str()) {
                open.push(path);
            } else if path.is_file() {
                paths.push(path.strip_prefix(root)?.to_string_lossy().into_owned());
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_and_the_plain_walk_see_the_same_sources() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let walked = walk(root).unwrap();
        assert!(walked.iter().any(|path| path == "src/tidy/tree.rs"));
        if let Some(tracked) = tracked(root) {
            assert!(tracked.iter().all(|path| walked.contains(path) || !root.join(path).is_file()));
        }
    }
}
