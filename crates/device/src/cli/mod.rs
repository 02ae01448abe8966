//! The command line: arguments in, calls to the engine, an exit status out. Decides nothing about records.

mod admit;
mod amend;
mod conflict;
mod enrol;
mod fault;
mod files;
mod import;
mod out;
mod pack;
mod peers;
mod read;
mod salvage;
mod status;
mod sync;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use daftar_core::change::Op;
use daftar_device::{Device, Store};
use zeroize::Zeroizing;

use fault::Fault;
use out::Out;

/// The environment's variable that stands in for typing a PIN.
const PIN_VARIABLE: &str = "DAFTAR_PIN";
/// The same for a PIN that somebody else chooses in the same command.
const NEW_PIN_VARIABLE: &str = "DAFTAR_NEW_PIN";

/// The offline notebook without a screen.
///
/// Every command opens the notebook in --home, asks for the officer's PIN (or takes it from DAFTAR_PIN) and says what it did.
/// Exit status: 0 done; 1 some input was refused; 2 wrong usage; 3 PIN wrong or locked; 4 no link, everything is kept;
/// 5 not headquarters' server or device, or refused by it; 6 already open elsewhere; 7 storage full; 70 our mistake.
#[derive(Parser)]
#[command(name = "daftar", version, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Common {
    /// The notebook's folder.
    #[arg(long, global = true, env = "DAFTAR_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
    /// The officer's handle, where several are enrolled on this device.
    #[arg(long, global = true, value_name = "NAME")]
    officer: Option<String>,
    /// Print JSON for programs; errors too, as {"error":{"code","message"}}.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Enrol an officer on this device by the code that headquarters gave.
    #[command(after_help = "Example:\n  daftar --home ~/notebook enrol daftar1.g2ox… --device-name 'IMT-3 tablet 1'")]
    Enrol(enrol::Enrol),
    /// Let an officer in where there is no network, for at most 72 hours; the leader's PIN is asked, then the newcomer's new one.
    #[command(
        after_help = "Example:\n  daftar --home ~/notebook admit --handle imt-3-scc-9 --name 'A. Karimov' --agency scc --compartment team/imt-3 --hours 24\n\nThe newcomer's PIN is taken from DAFTAR_NEW_PIN if that is set."
    )]
    Admit(admit::Admit),
    /// Bring in records, one JSON object a line; what cannot be taken is named by line.
    #[command(after_help = "Example:\n  daftar --home ~/notebook import records.ndjson")]
    Import(import::Import),
    /// List records of a kind, the latest first.
    #[command(after_help = "Example:\n  daftar --home ~/notebook list inspection --limit 20")]
    List(read::List),
    /// Find records by names, plates and numbers, in any script.
    #[command(after_help = "Example:\n  daftar --home ~/notebook search Юсупов")]
    Search(read::Search),
    /// Show one record with its history and open conflicts.
    #[command(after_help = "Example:\n  daftar --home ~/notebook show 01a090a1-522e-78c7-acfe-9ea9e1fab9d7")]
    Show(read::Show),
    /// Amend a record's fields.
    #[command(
        after_help = "Example:\n  daftar --home ~/notebook amend 01a090a1-522e-78c7-acfe-9ea9e1fab9d7 vehicle.colour=green persons.2.phone=null"
    )]
    Amend(amend::Amend),
    /// List the records that need a decision, with every value that officers wrote apart.
    #[command(after_help = "Example:\n  daftar --home ~/notebook conflicts")]
    Conflicts,
    /// Decide between the values of a field that officers wrote apart.
    #[command(
        after_help = "Example:\n  daftar --home ~/notebook resolve 01a090a1-522e-78c7-acfe-9ea9e1fab9d7 vehicle.colour --take 2 --reason 'seen again'"
    )]
    Resolve(conflict::Resolve),
    /// Void a record: it stays in the log and is shown no more.
    #[command(after_help = "Example:\n  daftar --home ~/notebook void 01a090a1-522e-78c7-acfe-9ea9e1fab9d7 --reason 'entered twice'")]
    Void(conflict::Void),
    /// Bring a voided record back.
    #[command(after_help = "Example:\n  daftar --home ~/notebook unvoid 01a090a1-522e-78c7-acfe-9ea9e1fab9d7 --reason 'voided by mistake'")]
    Unvoid(conflict::Void),
    /// Attach a photo or another file to a record.
    #[command(
        after_help = "Example:\n  daftar --home ~/notebook attach 01a090a1-522e-78c7-acfe-9ea9e1fab9d7 boot.jpg --caption 'Under the boot floor'"
    )]
    Attach(files::Attach),
    /// Say how far a record's files are: here, and at headquarters.
    #[command(after_help = "Example:\n  daftar --home ~/notebook files 01a090a1-522e-78c7-acfe-9ea9e1fab9d7")]
    Files(files::Files),
    /// Ask for a record's files that are not here, and write out those that are.
    #[command(after_help = "Example:\n  daftar --home ~/notebook fetch 01a090a1-522e-78c7-acfe-9ea9e1fab9d7 --to photos")]
    Fetch(files::Fetch),
    /// Send what waits to headquarters and fetch what is new.
    #[command(after_help = "Example:\n  daftar --home ~/notebook sync\n  daftar --home ~/notebook sync --locked")]
    Sync(sync::Sync),
    /// Find other devices on the local network, answer them, and exchange with them what both may read.
    ///
    /// Both devices must be unlocked. Without --listen or --sync it says who is near. Only headquarters' receipt takes work off the queue:
    /// what another device has still waits.
    #[command(
        after_help = "Examples:\n  daftar --home ~/notebook peers\n  daftar --home ~/notebook peers --listen\n  daftar --home ~/notebook peers --sync\n  daftar --home ~/notebook peers --listen 192.168.4.1:4747 --once\n  daftar --home ~/other peers --sync 192.168.4.1:4747"
    )]
    Peers(peers::Peers),
    /// Courier packs: what a stick carries to headquarters and back, or to another device.
    #[command(subcommand)]
    Pack(pack::Pack),
    /// Say what waits, what is in conflict and what each compartment holds.
    #[command(after_help = "Example:\n  daftar --home ~/notebook status")]
    Status,
    /// Take what a damaged file still holds into a new one; the damaged one is kept as it is. What is missing comes with the next sync.
    #[command(after_help = "Example:\n  daftar --home ~/notebook salvage team/imt-3\n  daftar --home ~/notebook salvage")]
    Salvage(salvage::Salvage),
    /// Check every name, chain and signature again, and that records are what their changes say.
    #[command(after_help = "Example:\n  daftar --home ~/notebook verify")]
    Verify,
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DAFTAR_LOG").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(wrong) => return misused(&wrong),
    };
    let out = Out::new(arguments.common.json);
    // A panic's own words may hold what an officer wrote, so they are not printed.
    std::panic::set_hook(Box::new(|p| tracing::error!(at = p.location().map(tracing::field::display), "panicked")));
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&arguments, &out)));
    match done.unwrap_or_else(|_| Err(Fault::ours("it stopped half-way"))) {
        Ok(status) => ExitCode::from(status),
        Err(fault) => {
            out.fault(&fault);
            ExitCode::from(fault.status)
        }
    }
}

/// Says what is wrong with the words; programs are told as of every other error. Help and version are no error.
fn misused(wrong: &clap::Error) -> ExitCode {
    if wrong.use_stderr() && std::env::args_os().any(|a| a == "--json") {
        let text = wrong.to_string();
        let said = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        Out::new(true).fault(&Fault::usage(said));
    } else {
        let _ = wrong.print();
    }
    ExitCode::from(u8::try_from(wrong.exit_code()).unwrap_or(2))
}

fn run(arguments: &Arguments, out: &Out) -> Result<u8, Fault> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Enrol(c) => c.run(common, out),
        Command::Admit(c) => c.run(&common.unlocked()?, out),
        Command::Import(c) => c.run(&common.unlocked()?, out),
        Command::List(c) => c.run(&common.unlocked()?, out),
        Command::Search(c) => c.run(&common.unlocked()?, out),
        Command::Show(c) => c.run(&common.unlocked()?, out),
        Command::Amend(c) => c.run(&common.unlocked()?, out),
        Command::Conflicts => conflict::conflicts(&common.unlocked()?, out),
        Command::Resolve(c) => c.run(&common.unlocked()?, out),
        Command::Void(c) => c.run(&common.unlocked()?, Op::Void, out),
        Command::Unvoid(c) => c.run(&common.unlocked()?, Op::Unvoid, out),
        Command::Attach(c) => c.run(&common.unlocked()?, out),
        Command::Files(c) => c.run(&common.unlocked()?, out),
        Command::Fetch(c) => c.run(&common.unlocked()?, out),
        Command::Sync(c) if c.locked => sync::run_locked(&common.device()?, out),
        Command::Sync(_) => {
            daftar_device::sync::warm_up();
            sync::run(&common.unlocked()?, out)
        }
        Command::Peers(c) => c.run(&common.unlocked()?, out),
        Command::Pack(c) => c.run(&common.unlocked()?, out),
        Command::Status => status::status(&common.unlocked()?, out),
        Command::Salvage(c) => c.run(&common.unlocked()?, out),
        Command::Verify => status::verify(&common.unlocked()?, out),
    }
}

impl Common {
    fn device(&self) -> Result<Device, Fault> {
        let home = self.home.as_ref().ok_or_else(|| Fault::usage("name the notebook's folder by --home DIR or DAFTAR_HOME"))?;
        Ok(Device::open_for_process(home)?)
    }

    fn unlocked(&self) -> Result<Arc<Store>, Fault> {
        let device = self.device()?;
        let officer = device.officer(self.officer.as_deref())?;
        let pin = pin(&format!("PIN of {}: ", officer.handle))?;
        Ok(Arc::new(device.unlock(&officer.handle, &pin)?))
    }
}

fn pin(prompt: &str) -> Result<Zeroizing<String>, Fault> {
    pin_of(PIN_VARIABLE, prompt)
}

fn pin_of(variable: &str, prompt: &str) -> Result<Zeroizing<String>, Fault> {
    if let Ok(pin) = std::env::var(variable) {
        return Ok(Zeroizing::new(pin));
    }
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|_| Fault::locked(format!("no PIN: there is no terminal to ask on, and {variable} is not set")))
}
