//! The demo's folder: a temporary one, or the caller's. Never removes a file that the demo did not make.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::cast::DEVICES;
use crate::say;

/// Marks a folder as the demo's and remembers how far it came.
const STATE: &str = "demo.json";

pub struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

/// What a second run has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where the devices look for headquarters.
    pub address: String,
    /// Headquarters and devices hold the sample.
    pub is_filled: bool,
}

impl Folder {
    pub fn open(wanted: Option<&Path>) -> Result<Self> {
        let (path, is_temporary) = match wanted {
            Some(path) => (std::path::absolute(path)?, false),
            None => (std::env::temp_dir().join(format!("daftar-demo-{}", std::process::id())), true),
        };
        let mut builder = fs::DirBuilder::new();
        // A temporary folder is ours from the start, or it is not ours.
        let made = builder.mode(0o700).recursive(!is_temporary).create(&path);
        made.with_context(|| format!("making {}", path.display()))?;
        let folder = Self { path, is_temporary };
        let is_empty = fs::read_dir(&folder.path).is_ok_and(|mut entries| entries.next().is_none());
        ensure!(
            is_empty || folder.path.join(STATE).is_file(),
            "{} is neither empty nor from an earlier demo: name another folder",
            folder.path.display()
        );
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// How far an earlier demo came. One that stopped half-way is begun anew.
    pub fn state(&self, port: impl FnOnce() -> Result<u16>) -> Result<State> {
        if let Some(state) = self.read()?.filter(|state| state.is_filled) {
            return Ok(state);
        }
        for name in DEVICES.iter().map(|device| device.folder).chain(["server"]) {
            let path = self.path.join(name);
            if path.exists() {
                fs::remove_dir_all(&path).with_context(|| format!("beginning {} anew", path.display()))?;
            }
        }
        let state = State { address: format!("127.0.0.1:{}", port()?), is_filled: false };
        self.keep(&state)?;
        Ok(state)
    }

    pub fn keep(&self, state: &State) -> Result<()> {
        let text = serde_json::json!({ "address": state.address, "filled": state.is_filled }).to_string();
        fs::write(self.path.join(STATE), text + "\n").context("writing demo.json")
    }

    fn read(&self) -> Result<Option<State>> {
        let path = self.path.join(STATE);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).context("reading demo.json")?;
        let value: serde_json::Value = serde_json::from_str(&text).context("demo.json is damaged: name another folder")?;
        let address = value["address"].as_str().context("demo.json names no address")?;
        Ok(Some(State { address: address.to_owned(), is_filled: value["filled"] == true }))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_temporary {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path) {
            say::fault(&format!("{} is left behind: {error}", self.path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("daftar-xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_folder_of_someone_else_is_refused_and_left_as_it_is() {
        let path = base("foreign");
        fs::create_dir(path.join("server")).unwrap();
        assert!(Folder::open(Some(&path)).is_err());
        assert!(path.join("server").is_dir());
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_filled_folder_keeps_its_address_and_a_half_filled_one_begins_anew() {
        let path = base("again");
        let folder = Folder::open(Some(&path)).unwrap();
        let state = folder.state(|| Ok(8443)).unwrap();
        assert_eq!(state, State { address: "127.0.0.1:8443".to_owned(), is_filled: false });
        fs::create_dir(path.join("server")).unwrap();
        let state = folder.state(|| Ok(9000)).unwrap();
        assert_eq!(state.address, "127.0.0.1:9000");
        assert!(!path.join("server").exists(), "a half-made headquarters is not built upon");
        folder.keep(&State { is_filled: true, ..state }).unwrap();
        let again = Folder::open(Some(&path)).unwrap();
        assert_eq!(again.state(|| Ok(1)).unwrap().address, "127.0.0.1:9000");
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_temporary_folder_is_removed_at_the_end() {
        let folder = Folder::open(None).unwrap();
        let path = folder.path().to_path_buf();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
    }
}
