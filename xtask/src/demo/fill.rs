//! Drives the real commands to fill headquarters and two devices. Knows their words and exit codes, not their insides.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::cast::{CONSOLE, DEVICES, Device, OFFICER_PASSWORD, TEAM};
use crate::child::{self, Show};

pub struct Tools<'a> {
    pub bin_dir: &'a Path,
    pub folder: &'a Path,
}

impl Tools<'_> {
    pub fn server(&self) -> Command {
        Command::new(self.bin_dir.join("daftar-server"))
    }

    pub fn app(&self) -> Command {
        Command::new(self.bin_dir.join("daftar-app"))
    }

    pub fn headquarters_folder(&self) -> PathBuf {
        self.folder.join("server")
    }

    pub fn device_folder(&self, device: &Device) -> PathBuf {
        self.folder.join(device.folder)
    }

    /// Founds headquarters, adds its people, and answers one enrolment code a device.
    pub fn headquarters(&self, address: &str) -> Result<Vec<String>> {
        let mut init = self.server();
        init.arg("init").arg("--data").arg(self.headquarters_folder()).args(["--address", address, "--sample"]);
        speak(&mut init, "daftar-server init", None)?;
        for device in &DEVICES {
            let names = ["--agency", device.agency, "--team", TEAM, "--role", device.role, "--full-name", device.full_name];
            self.add(device.officer, &names, OFFICER_PASSWORD)?;
        }
        for user in &CONSOLE {
            let names = ["--agency", user.agency, "--role", user.role, "--full-name", user.full_name];
            self.add(user.name, &names, user.password)?;
        }
        DEVICES.iter().map(|device| self.code(device)).collect()
    }

    fn add(&self, name: &str, words: &[&str], password: &str) -> Result<()> {
        let mut command = self.server();
        command.args(["officer", "add", "--data"]).arg(self.headquarters_folder());
        command.args(["--name", name, "--password-stdin"]).args(words);
        speak(&mut command, &format!("daftar-server officer add {name}"), Some(password)).map(drop)
    }

    fn code(&self, device: &Device) -> Result<String> {
        let mut command = self.server();
        command.arg("enrol").arg("--data").arg(self.headquarters_folder());
        command.args(["--officer", device.officer, "--all-compartments"]);
        let output = speak(&mut command, "daftar-server enrol", None)?;
        let code = output.lines().map(str::trim).find(|line| !line.is_empty());
        code.map(str::to_owned).context("daftar-server enrol printed no code")
    }

    /// Enrols the two devices and has each write its records.
    pub fn devices(&self, codes: &[String], sample: &Path) -> Result<()> {
        let records = fs::read_to_string(sample).with_context(|| format!("reading {}", sample.display()))?;
        for (index, (device, code)) in DEVICES.iter().zip(codes).enumerate() {
            self.device(device, &["enrol", code])?;
            let file = self.folder.join(format!("{}.ndjson", device.folder));
            fs::write(&file, records_of(&records, index)?).with_context(|| format!("writing {}", file.display()))?;
            self.device(device, &["import", &file.to_string_lossy()])?;
            // Its records stand in the device's own database now, sealed; here they stood open.
            fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
        }
        Ok(())
    }

    /// Each device sends; then the first hears what the second sent.
    pub fn sync(&self) -> Result<()> {
        for device in DEVICES.iter().chain([&DEVICES[0]]) {
            self.device(device, &["sync"])?;
        }
        Ok(())
    }

    fn device(&self, device: &Device, words: &[&str]) -> Result<()> {
        let mut command = Command::new(self.bin_dir.join("daftar"));
        command.arg("--home").arg(self.device_folder(device)).args(words).arg("--json").env("DAFTAR_PIN", device.pin);
        // The code that enrols a device is a secret, even here.
        speak(&mut command, &format!("daftar {} ({})", words[0], device.folder), None).map(drop)
    }
}

/// The lines that one device wrote.
fn records_of(records: &str, device: usize) -> Result<String> {
    let mut own = String::new();
    for (index, line) in records.lines().enumerate() {
        let record: serde_json::Value = serde_json::from_str(line).with_context(|| format!("line {} of the sample", index + 1))?;
        if record["device"] == device {
            own.push_str(line);
            own.push('\n');
        }
    }
    ensure!(!own.is_empty(), "the sample holds nothing of device {device}");
    Ok(own)
}

/// Runs a command to its end, with one line on its standard input where it wants one.
fn speak(command: &mut Command, name: &str, line: Option<&str>) -> Result<String> {
    let Some(line) = line else {
        let outcome = child::run(command, name, Show::Nothing)?;
        return match outcome.status.success() {
            true => Ok(outcome.output),
            false => bail!("{name}: {}\n{}", meaning(outcome.status.code()), outcome.lines.join("\n")),
        };
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
    if let Some(mut input) = child.stdin.take() {
        // A command that ended without reading says why by itself.
        drop(writeln!(input, "{line}"));
    }
    let output = child.wait_with_output().with_context(|| format!("waiting for {name}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    bail!("{name}: {}\n{}", meaning(output.status.code()), String::from_utf8_lossy(&output.stderr).trim_end());
}

/// The exit codes that our commands share.
fn meaning(code: Option<i32>) -> String {
    let text = match code {
        Some(1) => "some of the input was refused",
        Some(2) => "it was called wrongly",
        Some(3) => "the PIN is wrong, or the device is locked",
        Some(4) => "there is no link; all is kept",
        Some(5) => "this is not headquarters' server",
        Some(6) => "it is open elsewhere already",
        Some(7) => "the disk is full",
        Some(70) => "a fault of our own",
        Some(other) => return format!("it ended with {other}"),
        None => "it was ended by a signal",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_gets_its_own_records_of_the_sample() {
        let sample = include_str!("../../../tests/demo/sample.ndjson");
        let counts: Vec<usize> = (0..DEVICES.len()).map(|device| records_of(sample, device).unwrap().lines().count()).collect();
        assert_eq!(counts.iter().sum::<usize>(), sample.lines().count(), "every line belongs to one of the devices");
        assert!(records_of(sample, DEVICES.len()).is_err());
    }

    #[test]
    fn the_sample_holds_only_what_its_officer_may_write() {
        for line in include_str!("../../../tests/demo/sample.ndjson").lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            let device = &DEVICES[usize::try_from(record["device"].as_u64().unwrap()).unwrap()];
            let compartment = record["compartment"].as_str().unwrap();
            let own = [format!("team/{TEAM}"), format!("agency/{}/{TEAM}", device.agency)];
            assert!(own.iter().any(|name| name == compartment), "{} writes in {compartment}", device.officer);
        }
    }

    #[test]
    fn a_command_that_fails_says_what_its_code_means() {
        let error = speak(Command::new("sh").args(["-c", "echo no >&2; exit 4"]), "daftar sync", None).unwrap_err();
        assert_eq!(error.to_string(), "daftar sync: there is no link; all is kept\nno");
        let said = speak(&mut Command::new("cat"), "cat", Some("pass")).unwrap();
        assert_eq!(said, "pass\n");
    }
}
