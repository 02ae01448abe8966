//! `./x tidy`: the project's own rules. Reads the tree and cargo's metadata; changes nothing.

mod claims;
mod documents;
mod edges;
mod licences;
mod sources;
mod tree;

use std::fmt;

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;

use crate::place::Place;
use crate::say;
use tree::Tree;

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub rule: &'static str,
    /// A file with its line, or a package.
    pub at: String,
    pub why: String,
}

impl Finding {
    fn new(rule: &'static str, at: impl Into<String>, why: impl Into<String>) -> Self {
        Self { rule, at: at.into(), why: why.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.at, self.why, self.rule)
    }
}

/// Every rule over files.
const RULES: &[fn(&Tree) -> Vec<Finding>] = &[
    sources::first_lines,
    sources::lengths,
    sources::left_open,
    sources::bare_exemptions,
    sources::foreign_places,
    sources::impure_core,
    sources::lints_inherited,
    documents::paths_exist,
    claims::shown,
    licences::npm,
    licences::npm_sources,
];

pub fn run(place: &Place) -> Result<()> {
    let tree = Tree::read(&place.root)?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();

    let locked = place.locked().iter().map(|word| (*word).to_owned());
    let metadata = MetadataCommand::new()
        .manifest_path(place.root.join("Cargo.toml"))
        .other_options(locked.collect::<Vec<_>>())
        .exec()
        .context("asking cargo for the packages")?;
    findings.extend(edges::check(&metadata));
    findings.extend(licences::cargo(&metadata));

    findings.sort();
    findings.iter().for_each(|finding| say::fault(&format!("   {finding}")));
    if findings.is_empty() {
        say::note(&format!("{} files, {} packages, no breach", tree.files.len(), metadata.packages.len()));
        return Ok(());
    }
    bail!("{} breaches of the project's rules", findings.len());
}
