//! Real commands, a real server and a link that can be cut, for tests and the bench. Knows nothing of the crates' insides.

#[path = "support/corpus.rs"]
pub mod corpus;
#[path = "support/device.rs"]
pub mod device;
#[path = "support/proxy.rs"]
pub mod proxy;
#[path = "support/server.rs"]
pub mod server;
#[path = "support/weak.rs"]
pub mod weak;

use std::path::PathBuf;
use std::process::Output;

/// The folder that the commands were built into: named by the gate, else cargo's own for this profile.
pub fn bin_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("DAFTAR_BIN_DIR") {
        return dir.into();
    }
    // A test or bench program stands in <target>/<profile>[/deps].
    let exe = std::env::current_exe().expect("a running program has a path");
    let dir = exe.parent().expect("a program stands in a folder");
    if dir.ends_with("deps") { dir.parent().expect("deps stands in a profile's folder").into() } else { dir.into() }
}

/// A loopback port that is free now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// What a command printed, for a test's message.
pub fn told(output: &Output) -> String {
    format!(
        "status {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The one JSON value that a command printed.
pub fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("not JSON ({e}): {}", told(output)))
}
