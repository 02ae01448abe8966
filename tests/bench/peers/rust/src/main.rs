//! One measurement of one peer, as one JSON line: `daftar-bench-peers PEER MEASUREMENT CORPUS DIR`. Knows nothing of Daftar.

mod automerge_docs;
mod corpus;
mod tasks;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

/// Why a peer could not be measured.
type Fault = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match measure(&words) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            // The innermost cause is the one that tells.
            let mut cause: &dyn Error = &*error;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            eprintln!("{cause}");
            ExitCode::FAILURE
        }
    }
}

fn measure(words: &[String]) -> Result<Value, Fault> {
    let [peer, measurement, corpus, dir] = words else {
        return Err("say PEER MEASUREMENT CORPUS DIR: taskchampion or automerge; exchange, save or conflict".into());
    };
    let (corpus, dir) = (corpus::read(Path::new(corpus))?, Path::new(dir));
    match (peer.as_str(), measurement.as_str()) {
        ("taskchampion", "exchange") => wait(tasks::exchange(&corpus, dir)),
        ("taskchampion", "save") => wait(tasks::save(&corpus, dir)),
        ("taskchampion", "conflict") => wait(tasks::conflict(&corpus, dir)),
        ("automerge", "exchange") => automerge_docs::exchange(&corpus, dir),
        ("automerge", "save") => automerge_docs::save(&corpus, dir),
        ("automerge", "conflict") => automerge_docs::conflict(&corpus),
        _ => Err(format!("there is no measurement {measurement} of {peer}").into()),
    }
}

fn wait<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
