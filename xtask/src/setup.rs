//! What a stage or the demo needs before it starts: npm packages, built screens, binaries, a Python. Installs
//! nothing outside the checkout and its target folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::child::{self, Outcome, Show};
use crate::place::Place;
use crate::say;

/// The programs that the tests and the demo drive.
pub const BINARIES: &[&str] = &["daftar", "daftar-server", "daftar-app"];
/// What `tests/golden/verify.py` imports. It shares no line with the Rust that it checks.
const PYTHON_PINS: &[&str] = &["cryptography==50.0.2", "cbor2==6.3.0", "zstandard==0.25.0"];
const NPM_STAMP: &str = "node_modules/.daftar-lock";

/// Runs `npm` in the checkout.
pub fn npm(place: &Place, words: &[&str], show: Show) -> Result<Outcome> {
    let mut command = place.command("npm");
    command.args(words).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1").env("NO_UPDATE_NOTIFIER", "1");
    child::run(&mut command, &format!("npm {}", words.join(" ")), show)
}

/// `npm ci`, unless node_modules is already what the lock says.
pub fn npm_packages(place: &Place) -> Result<()> {
    let lock = fs::read(place.root.join("package-lock.json")).context("reading package-lock.json")?;
    let stamp = place.root.join(NPM_STAMP);
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        say::note("npm packages are as the lock says");
        return Ok(());
    }
    let outcome = npm(place, &["ci", "--no-audit", "--no-fund"], Show::All)?;
    ensure!(outcome.status.success(), "npm ci failed");
    fs::write(&stamp, lock).with_context(|| format!("writing {}", stamp.display()))
}

/// Builds the screens, which the window and the console embed.
pub fn screens(place: &Place, show: Show) -> Result<()> {
    let words = ["run", "build", "--workspaces", "--if-present"];
    let outcome = npm(place, &words, show)?;
    if !outcome.status.success() && show == Show::Nothing {
        outcome.lines.iter().for_each(|line| say::fault(line));
    }
    ensure!(outcome.status.success(), "npm run build failed");
    ensure!(has_screens(place), "npm run build left no ui/field/dist/index.html");
    Ok(())
}

pub fn has_screens(place: &Place) -> bool {
    place.root.join("ui/field/dist/index.html").is_file()
}

/// Builds every binary as the gate does (the same features, so that nothing is compiled twice) and
/// answers the folder that holds this checkout's own.
pub fn binaries(place: &Place) -> Result<PathBuf> {
    if !has_screens(place) {
        npm_packages(place)?;
        screens(place, Show::Nothing)?;
    }
    let mut command = place.cargo(&["build", "--workspace", "--bins"]);
    command.args(place.locked());
    child::must(&mut command, "cargo build", Show::Build)?;
    let folder = place.bin_dir("debug");
    keep(&place.target.join("debug"), &folder, BINARIES)?;
    Ok(folder)
}

/// The two commands, without the window.
pub fn commands(place: &Place) -> Result<PathBuf> {
    let mut command = place.cargo(&["build", "--bins", "-p", "daftar-device", "-p", "daftar-sync-server"]);
    command.args(place.locked());
    child::must(&mut command, "cargo build", Show::Build)?;
    let folder = place.bin_dir("debug");
    keep(&place.target.join("debug"), &folder, &["daftar", "daftar-server"])?;
    Ok(folder)
}

/// The two commands in release mode, for figures.
pub fn release_commands(place: &Place) -> Result<PathBuf> {
    let mut command = place.cargo(&["build", "--release", "--bins", "-p", "daftar-device", "-p", "daftar-sync-server"]);
    command.args(place.locked());
    child::must(&mut command, "cargo build --release", Show::Build)?;
    let folder = place.bin_dir("release");
    keep(&place.target.join("release"), &folder, &["daftar", "daftar-server"])?;
    Ok(folder)
}

/// Links the binaries where no other checkout's build replaces them.
fn keep(from: &Path, to: &Path, names: &[&str]) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    for name in names {
        let (source, kept) = (from.join(name), to.join(name));
        if kept.exists() {
            fs::remove_file(&kept).with_context(|| format!("replacing {}", kept.display()))?;
        }
        if fs::hard_link(&source, &kept).is_err() {
            fs::copy(&source, &kept).with_context(|| format!("the build left no {}", source.display()))?;
        }
    }
    Ok(())
}

/// A Python with the pinned packages, made once.
pub fn python(place: &Place) -> Result<PathBuf> {
    let folder = place.target.join("python");
    let (python, stamp) = (folder.join("bin/python"), folder.join("pins"));
    let pins = PYTHON_PINS.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|have| have == pins) {
        return Ok(python);
    }
    let mut make = place.command("python3");
    make.args(["-m", "venv", "--clear"]).arg(&folder);
    child::must(&mut make, "python3 -m venv", Show::Nothing)?;
    let mut install = place.command(&python.to_string_lossy());
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
    install.args(PYTHON_PINS);
    child::must(&mut install, "pip install", Show::Nothing)?;
    fs::write(&stamp, pins).with_context(|| format!("writing {}", stamp.display()))?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_binary_is_replaced_and_a_missing_one_is_named() {
        let base = std::env::temp_dir().join(format!("daftar-xtask-keep-{}", std::process::id()));
        let (from, to) = (base.join("from"), base.join("to"));
        fs::create_dir_all(&from).unwrap();
        for text in ["first", "second"] {
            fs::write(from.join("next"), text).unwrap();
            fs::rename(from.join("next"), from.join("tool")).unwrap();
            keep(&from, &to, &["tool"]).unwrap();
            assert_eq!(fs::read_to_string(to.join("tool")).unwrap(), text);
        }
        let missing = keep(&from, &to, &["absent"]).unwrap_err();
        assert!(format!("{missing:#}").contains("absent"));
        fs::remove_dir_all(base).unwrap();
    }
}
