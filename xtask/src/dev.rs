//! `./x dev`: the field app's window over vite, so that screens reload as they are edited. Never builds what ships.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::child::{self, Running};
use crate::place::Place;
use crate::{say, setup};

const HOST: &str = "127.0.0.1";
const PORT: u16 = 5173;
const START: Duration = Duration::from_secs(30);

pub fn run(place: &Place) -> Result<()> {
    setup::npm_packages(place)?;
    let home = place.target.join("dev-device");
    let mut vite = place.command("npm");
    vite.args(["exec", "--workspace", "ui/field", "--", "vite", "--host", HOST, "--strictPort", "--port", &PORT.to_string()]);
    let mut vite = Running::start(&mut vite, "vite")?;
    wait_for(&mut vite, PORT)?;

    let mut app = place.cargo(&["run", "-p", "daftar-app", "--"]);
    app.arg("--home").arg(&home).env("TAURI_CONFIG", config());
    let mut app = Running::start(&mut app, "daftar-app")?;
    say::note(&format!("the device's folder is {}; Ctrl-C or closing the window ends it", home.display()));
    loop {
        if let Some(status) = app.ended()? {
            say::note(&format!("the window is closed ({status})"));
            return Ok(());
        }
        if let Some(status) = vite.ended()? {
            bail!("vite ended ({status})");
        }
        if child::asked_to_stop() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Only here do the screens come from an address, and may scripts be reloaded over a socket.
fn config() -> String {
    let address = format!("http://{HOST}:{PORT}");
    let rule = format!(
        "default-src 'none'; script-src 'self' 'unsafe-inline' {address}; style-src 'self' 'unsafe-inline'; \
         img-src 'self' blob: data:; connect-src ipc: http://ipc.localhost {address} ws://{HOST}:{PORT}"
    );
    serde_json::json!({ "build": { "devUrl": address }, "app": { "security": { "devCsp": rule } } }).to_string()
}

fn wait_for(vite: &mut Running, port: u16) -> Result<()> {
    let (until, address) = (Instant::now() + START, SocketAddr::from(([127, 0, 0, 1], port)));
    while Instant::now() < until {
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
            return Ok(());
        }
        if let Some(status) = vite.ended()? {
            bail!("vite ended ({status}): is port {port} taken?");
        }
        child::rest(Duration::from_millis(200))?;
    }
    bail!("vite does not answer on port {port}");
}
