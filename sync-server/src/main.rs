//! The command `daftar-server`. Never decides anything: that is `command`.

use std::process::ExitCode;

fn main() -> ExitCode {
    daftar_sync_server::command::run()
}
