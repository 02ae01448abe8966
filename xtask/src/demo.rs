//! `./x demo`: headquarters, two devices and the window on one machine, filled with sample records. Ends what it
//! started, and nothing else.

mod cast;
mod fill;
mod folder;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::child::{self, Running};
use crate::place::Place;
use crate::window::{self, Screen};
use crate::{say, setup};
use cast::{CONSOLE, DEVICES};
use folder::{Folder, State};

const SYNC_PORT: u16 = 8443;
const CONSOLE_PORT: u16 = 8444;
const SERVER_START: Duration = Duration::from_secs(30);
const WINDOW_START: Duration = Duration::from_secs(60);

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    folder: Option<PathBuf>,
    /// End when all is up and shown.
    once: bool,
}

fn asked(words: &[String]) -> Result<Asked> {
    let mut asked = Asked { folder: None, once: false };
    for word in words {
        match word.as_str() {
            "--once" => asked.once = true,
            flag if flag.starts_with('-') => bail!("demo does not know {flag}"),
            folder if asked.folder.is_none() => asked.folder = Some(PathBuf::from(folder)),
            more => bail!("demo wants one folder, not also {more}"),
        }
    }
    Ok(asked)
}

pub fn run(place: &Place, words: &[String]) -> Result<()> {
    let asked = asked(words)?;
    stage("build (some minutes the first time)", || {
        setup::npm_packages(place)?;
        setup::screens(place, child::Show::Nothing)
    })?;
    let bin_dir = stage("programs", || setup::binaries(place))?;

    let folder = Folder::open(asked.folder.as_deref())?;
    let mut state = folder.state(|| free_port(SYNC_PORT))?;
    let was_filled = state.is_filled;
    let tools = fill::Tools { bin_dir: &bin_dir, folder: folder.path() };
    let codes = if was_filled {
        say::note(&format!("{} is from an earlier demo and is used again", folder.path().display()));
        Vec::new()
    } else {
        stage("headquarters", || tools.headquarters(&state.address))?
    };

    let console_port = free_port(CONSOLE_PORT)?;
    let mut server = stage("server", || serve(&tools, &state, console_port))?;
    if !was_filled {
        stage("two devices, filled", || tools.devices(&codes, &place.root.join(cast::SAMPLE)))?;
        state.is_filled = true;
        folder.keep(&state)?;
    }
    stage("sync", || tools.sync())?;

    let mut shown = stage("window", || show(place, &tools, &folder))?;
    table(&tools, &state, console_port, &shown);
    if asked.once {
        return Ok(());
    }
    say::line("Ctrl-C ends it all.");
    watch(&mut server, &mut shown.app)
}

/// Runs a step under its name and says how long it took.
fn stage<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    say::begin(name);
    let began = Instant::now();
    let result = work().with_context(|| name.to_owned())?;
    say::done(name, began.elapsed());
    Ok(result)
}

/// The port, or where it is busy any free one.
fn free_port(wanted: u16) -> Result<u16> {
    let loopback = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let listener = TcpListener::bind(loopback(wanted)).or_else(|_| TcpListener::bind(loopback(0)));
    Ok(listener.context("no port is free")?.local_addr()?.port())
}

/// Starts the server and waits until it answers on both ports.
fn serve(tools: &fill::Tools<'_>, state: &State, console_port: u16) -> Result<Running> {
    let address: SocketAddr = state.address.parse().with_context(|| format!("{} is no address", state.address))?;
    let console = SocketAddr::from(([127, 0, 0, 1], console_port));
    if TcpListener::bind(address).is_err() {
        bail!("{address} is where this folder's devices look for headquarters, and another program has it: end that one");
    }
    let log = tools.folder.join("server.log");
    let file = fs::File::create(&log).with_context(|| format!("writing {}", log.display()))?;
    let mut command = tools.server();
    command.args(["serve", "--data"]).arg(tools.headquarters_folder());
    command.args(["--listen", &address.to_string(), "--console", &console.to_string()]);
    command.stdout(file.try_clone()?).stderr(file);
    let mut server = Running::start(&mut command, "daftar-server")?;

    let until = Instant::now() + SERVER_START;
    let answers = |at: &SocketAddr| TcpStream::connect_timeout(at, Duration::from_millis(200)).is_ok();
    while !(answers(&address) && answers(&console)) {
        let ended = server.ended()?;
        if ended.is_some() || Instant::now() > until {
            last_lines(&log);
            bail!("daftar-server {}", ended.map_or("does not answer".to_owned(), |status| format!("ended ({status})")));
        }
        child::rest(Duration::from_millis(100))?;
    }
    Ok(server)
}

fn last_lines(log: &Path) {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].iter().for_each(|line| say::fault(&format!("   | {line}")));
}

/// The window, on the display or on a screen of our own. The window ends before its screen.
struct Shown {
    app: Running,
    picture: Option<PathBuf>,
    _screen: Option<Screen>,
}

fn show(place: &Place, tools: &fill::Tools<'_>, folder: &Folder) -> Result<Shown> {
    let log = fs::File::create(folder.path().join("window.log")).context("writing window.log")?;
    let mut command = tools.app();
    command.arg("--home").arg(tools.device_folder(&DEVICES[0]));
    command.stdout(Stdio::from(log.try_clone()?)).stderr(log);
    if window::has_display() {
        let mut app = Running::start(&mut command, "daftar-app")?;
        child::rest(Duration::from_secs(2))?;
        if let Some(status) = app.ended()? {
            last_lines(&folder.path().join("window.log"));
            bail!("the window closed at once ({status})");
        }
        return Ok(Shown { app, picture: None, _screen: None });
    }
    let picture = match folder.is_temporary() {
        true => place.target.join("demo-window.png"),
        false => folder.path().join("window.png"),
    };
    say::note("no display here: the window opens on a screen of its own, and a picture of it is kept");
    let mut screen = Screen::open(Some(folder.path()))?;
    screen.lend(&mut command);
    let mut app = Running::start(&mut command, "daftar-app")?;
    if let Err(error) = screen.shoot(&mut app, WINDOW_START, &picture) {
        last_lines(&folder.path().join("window.log"));
        return Err(error);
    }
    Ok(Shown { app, picture: Some(picture), _screen: Some(screen) })
}

fn table(tools: &fill::Tools<'_>, state: &State, console_port: u16, shown: &Shown) {
    let row = |what: &str, at: &str, sign_in: &str| say::line(&format!("  {what:<14} {at:<44} {sign_in}"));
    say::line("");
    say::line("Daftar is running. These names, passwords and PINs are for the demo only.");
    say::line("");
    for (index, user) in CONSOLE.iter().enumerate() {
        let (what, at) = if index == 0 { ("console", format!("https://127.0.0.1:{console_port}/")) } else { ("", String::new()) };
        row(what, &at, &format!("{} · {} ({})", user.name, user.password, user.role));
    }
    for (index, device) in DEVICES.iter().enumerate() {
        let what = if index == 0 { "window" } else { "second device" };
        let at = tools.device_folder(device).display().to_string();
        row(what, &at, &format!("{} · PIN {} ({}, {})", device.officer, device.pin, device.full_name, device.agency));
    }
    row("sync", &state.address, "");
    if let Some(picture) = &shown.picture {
        row("picture", &picture.display().to_string(), "");
    }
    say::line("");
}

/// Waits for Ctrl-C or the window's end.
fn watch(server: &mut Running, app: &mut Running) -> Result<()> {
    while !child::asked_to_stop() {
        if app.ended()?.is_some() {
            say::note("the window was closed");
            return Ok(());
        }
        if let Some(status) = server.ended()? {
            bail!("daftar-server ended ({status}): see server.log");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    say::note("ending all of it");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_folder_and_once_are_taken_in_any_order_and_more_is_refused() {
        let want = Asked { folder: Some(PathBuf::from("here")), once: true };
        assert_eq!(asked(&words("here --once")).unwrap(), want);
        assert_eq!(asked(&words("--once here")).unwrap(), want);
        assert!(asked(&words("here there")).is_err());
        assert!(asked(&words("--twice")).is_err());
    }

    #[test]
    fn a_busy_port_gives_way_to_a_free_one() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(port).unwrap(), port);
    }
}
