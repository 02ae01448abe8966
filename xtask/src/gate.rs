//! `./x test`: the whole gate, stage by stage. The first stage that fails ends it.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::child::{self, Show};
use crate::place::Place;
use crate::tally::{Runner, Tally, count};
use crate::window::Screen;
use crate::{bindings, say, setup, sim, tidy};

/// One stage: its name and what it does. It adds what it counted even when it fails.
struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn(&Place, &mut Tally) -> Result<()>,
}

const STAGES: &[Stage] = &[
    Stage { name: "fmt", about: "cargo fmt --check", run: fmt },
    Stage { name: "tidy", about: "the project's own rules", run: |place, _| tidy::run(place) },
    Stage { name: "ui-install", about: "npm ci", run: |place, _| setup::npm_packages(place) },
    Stage { name: "ui-build", about: "the screens, as they ship", run: |place, _| setup::screens(place, Show::All) },
    Stage { name: "ui-check", about: "types and accessibility of the screens", run: ui_check },
    Stage { name: "ui-test", about: "vitest", run: ui_test },
    Stage { name: "clippy", about: "every target, no warning", run: clippy },
    Stage { name: "build", about: "daftar, daftar-server, daftar-app", run: |place, _| setup::binaries(place).map(drop) },
    Stage { name: "bindings", about: "the generated TypeScript is up to date", run: bindings_stage },
    Stage { name: "cargo-test", about: "unit, process and documentation tests", run: cargo_test },
    Stage { name: "sim", about: "a seeded world of devices and faults against a model", run: sim::stage },
    Stage { name: "golden", about: "the wire, read by an independent Python", run: golden },
    Stage { name: "console", about: "the console in a real browser", run: console },
    Stage { name: "window", about: "the field app in its real window", run: window },
];

/// How a stage went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Went {
    Well,
    Badly,
    NotRun,
}

pub fn test(place: &Place, words: &[String]) -> Result<ExitCode> {
    if words == ["--list"] {
        STAGES.iter().for_each(|stage| say::line(&format!("{:<11} {}", stage.name, stage.about)));
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
    let chosen = choose(&names, words)?;
    let (mut tally, mut rows, mut is_well) = (Tally::default(), Vec::new(), true);
    for stage in STAGES.iter().filter(|stage| chosen.contains(&stage.name)) {
        if !is_well {
            rows.push((stage.name, Went::NotRun, Duration::ZERO));
            continue;
        }
        let began = Instant::now();
        is_well = run_stage(place, stage, &mut tally)?;
        rows.push((stage.name, if is_well { Went::Well } else { Went::Badly }, began.elapsed()));
    }
    table(&rows);
    say::line(&format!("{} passed, {} failed", tally.passed, tally.failed));
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_stage(place: &Place, stage: &Stage, total: &mut Tally) -> Result<bool> {
    say::begin(stage.name);
    let (began, mut tally) = (Instant::now(), Tally::default());
    let result = (stage.run)(place, &mut tally);
    let result = match result {
        Ok(()) if tally.failed > 0 => Err(anyhow::anyhow!("{} tests failed", tally.failed)),
        other => other,
    };
    if let Err(error) = &result {
        if child::asked_to_stop() {
            bail!("stopped during {}", stage.name);
        }
        say::fault(&format!("   {} FAILED: {error:#}", stage.name));
        say::fault(&format!("   to run just this: ./x test --only {}", stage.name));
        // A stage that fails without a failing test is itself what failed.
        tally.failed = tally.failed.max(1);
    } else {
        say::done(stage.name, began.elapsed());
    }
    total.add(tally);
    Ok(result.is_ok())
}

/// The stages that `--only A,B` and `--from C` leave.
fn choose<'a>(names: &[&'a str], words: &[String]) -> Result<Vec<&'a str>> {
    let mut chosen: Vec<&str> = names.to_vec();
    let mut words = words.iter();
    while let Some(flag) = words.next() {
        let value = words.next().with_context(|| format!("{flag} wants a stage: {}", names.join(", ")))?;
        let asked: Vec<&str> = value.split(',').collect();
        if let Some(unknown) = asked.iter().find(|name| !names.contains(name)) {
            bail!("there is no stage '{unknown}': {}", names.join(", "));
        }
        match flag.as_str() {
            "--only" => chosen.retain(|name| asked.contains(name)),
            "--from" => chosen = chosen.into_iter().skip_while(|name| !asked.contains(name)).collect(),
            other => bail!("'{other}' is not known; ./x help lists what is"),
        }
    }
    ensure!(!chosen.is_empty(), "no stage is left to run");
    Ok(chosen)
}

fn table(rows: &[(&str, Went, Duration)]) {
    say::line("");
    say::line("stage        result   seconds");
    for (name, went, took) in rows {
        let result = match went {
            Went::Well => "ok",
            Went::Badly => "FAILED",
            Went::NotRun => "not run",
        };
        say::line(&format!("{name:<12} {result:<8} {:>7.1}", took.as_secs_f64()));
    }
}

fn fmt(place: &Place, _: &mut Tally) -> Result<()> {
    child::must(&mut place.cargo(&["fmt", "--all", "--check", "--", "--color", "never"]), "cargo fmt --check", Show::All).map(drop)
}

fn ui_check(place: &Place, _: &mut Tally) -> Result<()> {
    let outcome = setup::npm(place, &["run", "check", "--workspaces", "--if-present"], Show::All)?;
    ensure!(outcome.status.success(), "the screens' types do not hold");
    Ok(())
}

fn ui_test(place: &Place, tally: &mut Tally) -> Result<()> {
    let outcome = setup::npm(place, &["run", "test", "--workspaces", "--if-present"], Show::All)?;
    tally.add(count(Runner::Vitest, &outcome.lines));
    ensure!(outcome.status.success(), "npm test ended with {}", outcome.status);
    Ok(())
}

fn clippy(place: &Place, _: &mut Tally) -> Result<()> {
    let mut command = place.cargo(&["clippy", "--workspace", "--all-targets"]);
    command.args(place.locked()).args(["--", "-D", "warnings"]);
    child::must(&mut command, "cargo clippy", Show::Build).map(drop)
}

fn bindings_stage(place: &Place, _: &mut Tally) -> Result<()> {
    bindings::check(place)
}

fn cargo_test(place: &Place, tally: &mut Tally) -> Result<()> {
    let bin_dir = setup::binaries(place)?;
    let has_nextest = place.cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    let (words, runner): (&[&str], _) = if has_nextest {
        (&["nextest", "run", "--workspace", "--no-fail-fast", "--no-tests=pass"], Runner::Nextest)
    } else {
        (&["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"], Runner::Cargo)
    };
    let docs: &[&str] = &["test", "--workspace", "--doc", "--no-fail-fast"];
    for (words, runner) in [(words, runner), (docs, Runner::Cargo)] {
        let mut command = place.cargo(words);
        command.args(place.locked()).env("DAFTAR_BIN_DIR", &bin_dir).env(bindings::EXPORT_DIR, bindings::export_dir(place));
        let name = format!("cargo {}", words[..2].join(" "));
        let outcome = child::run(&mut command, &name, Show::Build)?;
        tally.add(count(runner, &outcome.lines));
        ensure!(outcome.status.success(), "{name} ended with {}", outcome.status);
    }
    Ok(())
}

fn golden(place: &Place, tally: &mut Tally) -> Result<()> {
    let python = setup::python(place)?;
    let bin_dir = setup::binaries(place)?;
    let mut command = place.command(&python.to_string_lossy());
    command.args(["-B", "tests/golden/verify.py", "tests/golden"]).env("DAFTAR_BIN_DIR", bin_dir);
    script(place, &mut command, "tests/golden/verify.py", tally)
}

fn console(place: &Place, tally: &mut Tally) -> Result<()> {
    let bin_dir = setup::binaries(place)?;
    let mut command = place.command("node");
    command.arg("tests/ui/console.mjs").env("DAFTAR_BIN_DIR", bin_dir);
    script(place, &mut command, "tests/ui/console.mjs", tally)
}

fn window(place: &Place, tally: &mut Tally) -> Result<()> {
    let bin_dir = setup::binaries(place)?;
    let screen = Screen::open(None)?;
    let mut command = place.command("node");
    command.arg("tests/ui/window.mjs").env("DAFTAR_BIN_DIR", bin_dir);
    screen.lend(&mut command);
    script(place, &mut command, "tests/ui/window.mjs", tally)
}

/// One of our own scripts, whose last line is `N passed, N failed`.
fn script(place: &Place, command: &mut Command, path: &str, tally: &mut Tally) -> Result<()> {
    ensure!(place.root.join(path).is_file(), "{path} is not there");
    let outcome = child::run(command, path, Show::All)?;
    let counted = count(Runner::Script, &outcome.lines);
    tally.add(counted);
    ensure!(outcome.status.success(), "{path} ended with {}", outcome.status);
    ensure!(counted.passed > 0, "{path} ran no test: its last line is to be «N passed, N failed»");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(words: &[&str]) -> Result<Vec<&'static str>> {
        choose(&["fmt", "tidy", "build"], &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn only_and_from_leave_the_named_stages_in_order() {
        assert_eq!(chosen(&[]).unwrap(), ["fmt", "tidy", "build"]);
        assert_eq!(chosen(&["--only", "build,fmt"]).unwrap(), ["fmt", "build"]);
        assert_eq!(chosen(&["--from", "tidy"]).unwrap(), ["tidy", "build"]);
    }

    #[test]
    fn an_unknown_stage_is_refused_and_never_skipped() {
        assert!(chosen(&["--only", "biuld"]).is_err());
        assert!(chosen(&["--only"]).is_err());
        assert!(chosen(&["--fast", "fmt"]).is_err());
        assert!(chosen(&["--only", "fmt", "--from", "tidy"]).is_err(), "an empty gate must not pass");
    }
}
