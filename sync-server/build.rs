//! Puts the built console (ui/console/dist) into the binary. Without it a page says so: Rust alone builds without npm.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const CONSOLE: &str = "../ui/console";

fn main() -> io::Result<()> {
    let console = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join(CONSOLE);
    let dist = console.join("dist");
    // A folder that is not there cannot be watched, so the one around it is.
    let watched = if dist.is_dir() { &dist } else { &console };
    println!("cargo::rerun-if-changed={}", watched.display());
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &mut files)?;
        files.sort();
    }
    let mut table = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&dist).map_err(io::Error::other)?;
        let path = name.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        writeln!(table, "    (\"/{path}\", \"{}\", include_bytes!({file:?})),", content_type(name)).map_err(io::Error::other)?;
    }
    table.push_str("]\n");
    let out = PathBuf::from(std::env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("console.rs"), table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn content_type(name: &Path) -> &'static str {
    match name.extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        Some(_) | None => "application/octet-stream",
    }
}
