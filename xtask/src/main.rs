//! What `./x` calls. Picks the verb; never does the work itself.

mod bench;
mod bindings;
mod child;
mod demo;
mod dev;
mod gate;
mod place;
mod say;
mod setup;
mod sim;
mod tally;
mod tidy;
mod window;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::place::Place;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match act(&words) {
        Ok(code) => code,
        Err(error) => {
            say::fault(&format!("x {}: {error:#}", words.first().map_or("", String::as_str)));
            ExitCode::from(if child::asked_to_stop() { 130 } else { 1 })
        }
    }
}

fn act(words: &[String]) -> Result<ExitCode> {
    let Some((verb, rest)) = words.split_first() else {
        bail!("say what to do; ./x help lists it");
    };
    child::listen_for_stop()?;
    let place = Place::find()?;
    match verb.as_str() {
        "test" => gate::test(&place, rest),
        "tidy" => tidy::run(&place).map(|()| ExitCode::SUCCESS),
        "demo" => demo::run(&place, rest).map(|()| ExitCode::SUCCESS),
        "bindings" => bindings::write(&place).map(|()| ExitCode::SUCCESS),
        "bench" => bench::figures(&place, rest).map(|()| ExitCode::SUCCESS),
        "soak" => bench::soak(&place, rest).map(|()| ExitCode::SUCCESS),
        "sim" => sim::run(&place, rest).map(|()| ExitCode::SUCCESS),
        "dev" => dev::run(&place).map(|()| ExitCode::SUCCESS),
        other => bail!("there is no verb '{other}'; ./x help lists them"),
    }
}
