//! Small files of signed lines beside the database, kept out of its backups: what a restored database must not forget. Only appends.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::error::Result;
use crate::keys::private_file;

/// Adds a line and makes sure that it has reached the disk. A line that a crash cut off before is closed first.
pub(crate) fn append(path: &Path, entry: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    private_file(path)?;
    let mut line = String::new();
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            line.push('\n');
        }
    }
    line.push_str(&STANDARD_NO_PAD.encode(entry));
    line.push('\n');
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The whole lines, in order; none if there is no file. A line that cannot be read is passed over.
pub(crate) fn read(path: &Path) -> Result<Vec<Vec<u8>>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let mut entries = Vec::new();
    for line in text.lines() {
        match STANDARD_NO_PAD.decode(line) {
            Ok(entry) => entries.push(entry),
            Err(_) => tracing::warn!(file = %path.display(), "a line that is not whole was passed over"),
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_crash_cut_off_costs_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        assert_eq!(read(&path).expect("readable"), Vec::<Vec<u8>>::new());
        append(&path, b"one").expect("appended");
        let whole = fs::read(&path).expect("a file");
        fs::write(&path, [&whole[..], b"dHdv!"].concat()).expect("cut");
        append(&path, b"three").expect("appended");
        assert_eq!(read(&path).expect("readable"), [b"one".to_vec(), b"three".to_vec()]);
    }
}
