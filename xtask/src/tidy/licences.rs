//! Licences of what others wrote, cargo's and npm's. Allows by name; an exception has its reason here.

use cargo_metadata::Metadata;

use super::Finding;
use super::tree::Tree;

/// Permissive; they ask for their notice and nothing else.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BlueOak-1.0.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const NPM_LOCK: &str = "package-lock.json";

/// A package with a licence outside the list, and why it is borne.
struct Exception {
    package: &'static str,
    licence: &'static str,
    reason: &'static str,
}

const WEAK: &str = "copyleft file by file, used unchanged, through Tauri";
const BUILD_ONLY: &str = "copyleft file by file; vite minifies with it, none of it ships";

const CARGO_EXCEPTIONS: &[Exception] = &[
    Exception { package: "cssparser", licence: "MPL-2.0", reason: WEAK },
    Exception { package: "cssparser-macros", licence: "MPL-2.0", reason: WEAK },
    Exception { package: "dtoa-short", licence: "MPL-2.0", reason: WEAK },
    Exception { package: "option-ext", licence: "MPL-2.0", reason: WEAK },
    Exception { package: "selectors", licence: "MPL-2.0", reason: WEAK },
    Exception { package: "webpki-root-certs", licence: "CDLA-Permissive-2.0", reason: "a list of certificates: data, free to pass on" },
];

/// A name with `*` stands for one package a platform.
const NPM_EXCEPTIONS: &[Exception] = &[
    Exception { package: "lightningcss", licence: "MPL-2.0", reason: BUILD_ONLY },
    Exception { package: "lightningcss-*", licence: "MPL-2.0", reason: BUILD_ONLY },
    Exception { package: "axe-core", licence: "MPL-2.0", reason: "copyleft file by file; only the tests use it" },
];

/// The licences of every crate in the graph.
pub fn cargo(metadata: &Metadata) -> Vec<Finding> {
    let foreign = metadata.packages.iter().filter(|package| package.source.is_some());
    let packages: Vec<(&str, Option<&str>)> = foreign.map(|package| (package.name.as_str(), package.license.as_deref())).collect();
    let mut found = judge("licence", &packages, CARGO_EXCEPTIONS);
    found.extend(stale(&packages, CARGO_EXCEPTIONS));
    found
}

/// The licences of every npm package in the root's lock. The bench's peers have locks of their own and are not judged:
/// they are run beside Daftar, and none of them is in it.
pub fn npm(tree: &Tree) -> Vec<Finding> {
    let Some((_, lock)) = locks(tree).find(|(path, _)| *path == NPM_LOCK) else {
        return Vec::new();
    };
    let foreign = packages(&lock).filter(|(path, package)| path.contains("node_modules/") && package["link"] != true);
    let packages: Vec<(&str, Option<&str>)> =
        foreign.map(|(path, package)| (path.rsplit("node_modules/").next().unwrap_or(path), package["license"].as_str())).collect();
    judge("licence", &packages, NPM_EXCEPTIONS)
}

/// No npm lock names a host: where packages come from is the machine's affair.
pub fn npm_sources(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (file, lock) in locks(tree) {
        for (path, package) in packages(&lock) {
            if package["resolved"].as_str().is_some_and(|from| from.contains(':')) {
                let why = format!("{path} has a «resolved» host: .npmrc is to say omit-lockfile-registry-resolved=true");
                found.push(Finding::new("npm-lock", file, why));
            }
        }
    }
    found
}

/// A lock that is no JSON stops npm ci long before.
fn locks(tree: &Tree) -> impl Iterator<Item = (&str, serde_json::Value)> {
    let files = tree.files.iter().filter(|file| file.path.rsplit('/').next() == Some(NPM_LOCK));
    files.filter_map(|file| Some((file.path.as_str(), serde_json::from_str(&file.text).ok()?)))
}

fn packages(lock: &serde_json::Value) -> impl Iterator<Item = (&str, &serde_json::Value)> {
    lock["packages"].as_object().into_iter().flatten().map(|(path, package)| (path.as_str(), package))
}

fn judge(rule: &'static str, packages: &[(&str, Option<&str>)], exceptions: &[Exception]) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, licence) in packages {
        let Some(licence) = licence else {
            found.push(Finding::new(rule, *name, "names no licence"));
            continue;
        };
        let borne: Vec<&str> = exceptions
            .iter()
            .filter(|exception| is_named(exception.package, name) && !exception.reason.is_empty())
            .map(|exception| exception.licence)
            .collect();
        if !is_allowed(licence, &borne) {
            let why = format!("its licence {licence} is not in the list of xtask/src/tidy/licences.rs");
            found.push(Finding::new(rule, *name, why));
        }
    }
    found
}

fn stale(packages: &[(&str, Option<&str>)], exceptions: &[Exception]) -> Vec<Finding> {
    let is_stale = |exception: &&Exception| !packages.iter().any(|(name, _)| is_named(exception.package, name));
    let unused = exceptions.iter().filter(is_stale);
    unused.map(|exception| Finding::new("licence", exception.package, "an exception that nothing needs any more")).collect()
}

fn is_named(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

/// Does a licence expression leave a choice that is allowed? `MIT/Apache-2.0` is the old way to say OR.
fn is_allowed(expression: &str, borne: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, borne };
    reader.either() == Some(true) && reader.words.is_empty()
}

/// Reads an expression from the left; `None` when it makes no sense.
struct Reader<'a> {
    words: &'a [&'a str],
    borne: &'a [&'a str],
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        match self.words.split_first() {
            Some((first, rest)) if *first == word => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn either(&mut self) -> Option<bool> {
        let mut is_good = self.both()?;
        while self.take("OR") {
            is_good |= self.both()?;
        }
        Some(is_good)
    }

    fn both(&mut self) -> Option<bool> {
        let mut is_good = self.one()?;
        while self.take("AND") {
            is_good &= self.one()?;
        }
        Some(is_good)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let is_good = self.either()?;
            return self.take(")").then_some(is_good);
        }
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        let mut name = (*first).to_owned();
        if self.take("WITH") {
            let (exception, rest) = self.words.split_first()?;
            self.words = rest;
            name = format!("{name} WITH {exception}");
        }
        Some(ALLOWED.contains(&name.as_str()) || self.borne.contains(&name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_an_obligation_and_an_exception_are_read_right() {
        for good in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-2.0", "(MIT OR X) AND Unicode-3.0", "Apache-2.0 WITH LLVM-exception"] {
            assert!(is_allowed(good, &[]), "{good}");
        }
        for bad in ["GPL-3.0-only", "MIT AND GPL-3.0", "MPL-2.0", "Apache-2.0 WITH Other-exception", "", "MIT OR", "(MIT", "MIT MIT"] {
            assert!(!is_allowed(bad, &[]), "{bad}");
        }
        assert!(is_allowed("MPL-2.0", &["MPL-2.0"]));
    }

    #[test]
    fn a_crate_outside_the_list_without_licence_or_with_anothers_exception_is_found() {
        let packages = [("a", Some("GPL-3.0-only")), ("b", None), ("selectors", Some("MPL-2.0")), ("c", Some("MPL-2.0"))];
        let names: Vec<String> = judge("licence", &packages, CARGO_EXCEPTIONS).into_iter().map(|finding| finding.at).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(stale(&[], CARGO_EXCEPTIONS).len(), CARGO_EXCEPTIONS.len());
    }

    #[test]
    fn an_npm_package_is_judged_and_our_own_is_not() {
        let text = r#"{"packages": {"": {}, "ui/field": {}, "node_modules/@daftar/field": {"link": true, "resolved": "ui/field"},
            "node_modules/a": {"license": "GPL-3.0"}, "node_modules/lightningcss-linux-x64-gnu": {"license": "MPL-2.0"}}}"#;
        let names: Vec<String> = npm(&Tree::of(&[("package-lock.json", text)])).into_iter().map(|finding| finding.at).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn a_host_in_the_npm_lock_is_found() {
        let text =
            r#"{"packages": {"node_modules/a": {"resolved": "https://host/a.tgz"}, "node_modules/b": {"resolved": "ui/b", "link": true}}}"#;
        for lock in ["package-lock.json", "tests/bench/peers/pouchdb/package-lock.json"] {
            assert_eq!(npm_sources(&Tree::of(&[(lock, text)])).len(), 1, "{lock}");
        }
    }
}
